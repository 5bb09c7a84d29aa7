# SPDX-License-Identifier: MIT
"""The command line, `sangraha put/get/stat/ls/rm`, over HTTP."""

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import resource
import select
import signal
import ssl
import struct
import subprocess
import termios
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import samples
from harness import PASSED_ON, ROOT, Daemon, program, wait_for

PROGRAM = program("serve")
COMPLETION = ROOT / "deploy" / "completion"
COMMANDS = ("put", "get", "stat", "ls", "rm")
ID = "0199f2c4-7a3e-7c51-9d0e-4f1b2a6c8d70"
REFERENCE = f"image/{ID}"

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="not built: sangraha")


class Cli:
    """The program with a server of its own, in a folder of the test's."""

    def __init__(self, url, folder):
        self.url = url
        self.folder = folder
        self.environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.environment |= {"SANGRAHA_URL": url, "TERM": "xterm", "TZ": "UTC"}

    def __call__(self, *arguments, **more):
        """Run it to its end."""
        return subprocess.run(
            [PROGRAM, *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            timeout=60,
            **({"stdin": subprocess.DEVNULL} if not {"input", "stdin"} & set(more) else {}),
            **more,
        )

    def out(self, *arguments, **more):
        """The lines that it prints when it succeeds and complains about nothing."""
        done = self(*arguments, **more)
        assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
        return done.stdout.decode().splitlines()

    def fails(self, code, *arguments, **more):
        """What it says on standard error when it ends like this; standard output stays empty."""
        done = self(*arguments, **more)
        assert (done.returncode, done.stdout) == (code, b""), done.stderr.decode()
        return done.stderr.decode()

    def spawn(self, *arguments, **more):
        return subprocess.Popen(
            [PROGRAM, *arguments], env=self.environment, cwd=self.folder, **more
        )

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def terminal(self, *arguments, columns=80, stdin=None, seconds=30):
        """Run it on a terminal: exit status, and all that appeared there."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = self.spawn(*arguments, stdin=stdin or theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        seen = b""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(OSError):
            while time.monotonic() < deadline:
                if select.select([ours], [], [], 0.2)[0]:
                    more = os.read(ours, 65536)
                    if not more:
                        break
                    seen += more
        os.close(ours)
        return process.wait(10), seen.decode()


@pytest.fixture(scope="session")
def url(tmp_path_factory, request):
    """A server: the embedded one where this build has it, else the three programs."""
    data = tmp_path_factory.mktemp("cli") / "data"
    serve = Daemon("serve", {"SANGRAHA_DATA_DIR": str(data)})
    try:
        serve.start().ready()
    except AssertionError:
        serve.kill()
        yield request.getfixturevalue("stack").orchestrator.url
        return
    yield serve.url
    serve.kill()


@pytest.fixture
def cli(url, tmp_path):
    return Cli(url, tmp_path)


@pytest.fixture
def stored(cli):
    """An image that is there, with its file and reference."""
    name = f"{uuid.uuid4().hex}.png"
    data = samples.picture("PNG")
    cli.write(name, data)
    (reference,) = cli.out("put", name)
    (cli.folder / name).unlink()
    return reference, name, data


class Scripted:
    """A server that answers as it is told: a list of (status, headers, body) or callables."""

    def __init__(self, *answers):
        script = self
        self.answers = list(answers)
        self.requests = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                length = self.headers.get("Content-Length")
                body = self.rfile.read(int(length)) if length else self.chunks()
                script.requests.append((self.command, self.path, dict(self.headers), body))
                answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
                if callable(answer):
                    answer(self)
                    self.close_connection = True
                    return
                status, headers, content = answer
                self.send_response(status)
                self.send_header("X-Correlation-ID", "x1")
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def chunks(self):
                body = b""
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                return body

            do_GET = do_POST = do_DELETE = do_HEAD = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def scripted(tmp_path):
    """Makes a server of these answers, and the program on it."""
    made = []

    def make(*answers):
        made.append(Scripted(*answers))
        cli = Cli(made[-1].url, tmp_path)
        cli.server = made[-1]
        return cli

    yield make
    for each in made:
        each.close()


def description(name="cat.png", data=b"data", **more):
    made = {
        "id": ID,
        "type": "image",
        "reference": REFERENCE,
        "filename": name,
        "content_type": "image/png",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "etag": f'"{hashlib.sha256(data).hexdigest()}"',
        "created": "2026-01-02T03:04:05.678Z",
        "metadata": {},
        "facts": {},
    }
    return made | more


def as_json(status, document, **headers):
    kind = "application/problem+json" if status >= 400 else "application/json"
    return status, {"Content-Type": kind} | headers, json.dumps(document).encode()


def problem(status, code, detail="No", headers=None, **more):
    return as_json(
        status,
        {"title": "Title", "status": status, "detail": detail, "code": code, "correlation_id": "x1"} | more,
        **(headers or {}),
    )


CREATED = as_json(201, description())
BUSY = problem(503, "overloaded", headers={"Retry-After": "1"})


def content(data=b"data", name="cat.png"):
    headers = {"Content-Type": "image/png", "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
    if name:
        headers["Content-Disposition"] = f'inline; filename="{name}"'
    return 200, headers, data


def cut(status=200, length=1000000, data=b"beginning", kind="image/png"):
    """Announces more than it sends."""

    def answer(handler):
        handler.send_response(status)
        handler.send_header("X-Correlation-ID", "x1")
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


# ---- put


@pytest.mark.parametrize("name", samples.ALL)
def test_put_and_get_every_kind(cli, name):
    kind, media_type, make = samples.ALL[name]
    data = make()
    cli.write(name, data)
    (reference,) = cli.out("put", name)
    assert reference.startswith(f"{kind}/")
    (cli.folder / name).unlink()
    assert cli.out("get", reference) == [name]
    assert (cli.folder / name).read_bytes() == data
    assert json.loads(cli.out("stat", "--json", reference)[0])["content_type"] == media_type


def test_put_keeps_the_order(cli):
    names = [f"{n}.json" for n in range(30)]
    for n, name in enumerate(names):
        cli.write(name, json.dumps([n] * (1 if n % 2 else 20000)).encode())
    lines = [line.split("\t") for line in cli.out("put", "--jobs", "8", *names)]
    assert [name for _, name in lines] == names


def test_put_reads_standard_input(cli):
    (reference,) = cli.out("put", "-", input=b"[1]")
    assert json.loads(cli.out("stat", "--json", reference)[0])["filename"] is None
    (reference,) = cli.out("put", "-", "-n", "one.json", input=b"[2]")
    assert json.loads(cli.out("stat", "--json", reference)[0])["filename"] == "one.json"


def test_put_reads_a_redirected_file(cli):
    cli.write("a", b"[1]    [2]")
    with open(cli.folder / "a", "rb") as file:
        os.lseek(file.fileno(), 7, os.SEEK_SET)
        done = subprocess.run(
            [PROGRAM, "put", "-"], env=cli.environment, stdin=file, capture_output=True
        )
    assert cli("get", "-o", "-", done.stdout.decode().strip()).stdout == b"[2]"


def test_put_expands_patterns_and_only_these(cli):
    for name in ("a1.json", "a2.json", "a[1].json"):
        cli.write(name, json.dumps(name).encode())
    assert [line.split("\t")[1] for line in cli.out("put", "a?.json")] == ["a1.json", "a2.json"]
    (reference,) = cli.out("put", "a[1].json")
    assert cli("get", "-o", "-", reference).stdout == b'"a[1].json"'
    assert "b*.json: No such file" in cli.fails(8, "put", "b*.json")


def test_put_keeps_metadata_and_type(cli):
    cli.write("a.json", b"{}")
    (line,) = cli.out("put", "--json", "-m", "colour=black", "--meta=note=Zoë = ü", "-t", "json", "a.json")
    assert json.loads(line)["metadata"] == {"colour": "black", "note": "Zoë = ü"}
    assert "json" in cli.fails(4, "put", "--type", "image", "a.json")


def test_put_with_a_key_is_one_object(cli):
    key = uuid.uuid4().hex
    cli.write("a.json", b"[1]")
    first = cli.out("put", "-k", key, "a.json")
    assert cli.out("put", "-k", key, "a.json") == first
    cli.write("a.json", b"[2]")
    cli.fails(5, "put", "-k", key, "a.json")


def test_put_without_a_key_is_another_object(cli):
    cli.write("a.json", b"[1]")
    first, second = (line.split("\t")[0] for line in cli.out("put", "a.json", "a.json"))
    assert first != second


def test_put_tells_why_it_was_refused(cli):
    cli.write("photo.png", b"hello, I am no image")
    told = cli.fails(4, "put", "--content-type", "image/png", "photo.png")
    assert told.startswith("sangraha: photo.png: refused: declared image/png, detected text/plain (rule ")
    cut_short = samples.picture("PNG")[:300]
    cli.write("cut.png", cut_short)
    assert "(rule png.end, at byte 300)" in cli.fails(4, "put", "cut.png")


def test_put_goes_on_after_a_failure(cli):
    cli.write("good.json", b"[1]")
    cli.write("bad.json", b"[1,]")
    done = cli("put", "bad.json", "good.json", "missing.json", ".")
    assert done.returncode == 1
    assert re.fullmatch(rb"json/[0-9a-f-]{36}\tgood.json\n", done.stdout)
    assert [line.split(b": ")[1] for line in done.stderr.splitlines()] == [b"bad.json", b"missing.json", b"."]
    assert b".: is a folder" in done.stderr


def test_put_keeps_a_name_that_no_server_takes(cli):
    path = os.fsencode(cli.folder) + b"/a\xff\n\\b.json"
    with open(path, "wb") as file:
        file.write(b"[1]")
    done = cli("put", "--json", path)
    assert json.loads(done.stdout)["filename"] == "a___b.json"


def test_put_holds_a_pipe_to_try_again(scripted):
    data = b"[1]" * 1000
    cli = scripted(BUSY, as_json(201, description(data=data)))
    assert cli("put", "-", input=data).stdout.decode().strip() == REFERENCE
    bodies = {body for *_, body in cli.server.requests}
    assert (len(cli.server.requests), bodies) == (2, {data})


def test_put_sends_a_long_pipe_once(scripted):
    cli = scripted(BUSY)
    data = os.urandom(5 << 20)
    cli.fails(6, "put", "-", input=data)
    assert [body for *_, body in cli.server.requests] == [data]


@pytest.mark.parametrize(
    "first",
    [
        BUSY,
        problem(503, "unavailable"),
        problem(504, "timeout"),
        cut(201, length=1000, data=b"{", kind="application/json"),
        lambda handler: None,
    ],
    ids=["overloaded", "unavailable", "timeout", "cut", "nothing"],
)
def test_put_tries_again_with_the_same_key(scripted, first):
    cli = scripted(first, CREATED)
    cli.write("cat.png", b"data")
    done = cli("put", "cat.png")
    assert done.stdout.decode() == REFERENCE + "\n"
    assert b"cat.png: trying again for up to 60 s" in done.stderr
    keys = [headers["Idempotency-Key"] for _, _, headers, _ in cli.server.requests]
    assert len(keys) == 2 and keys[0] == keys[1] and len(keys[0]) >= 32


def test_put_heeds_retry_after(scripted):
    cli = scripted(BUSY, CREATED)
    cli.write("cat.png", b"data")
    begun = time.monotonic()
    assert cli("put", "cat.png").returncode == 0
    assert time.monotonic() - begun >= 1


def test_put_does_not_wait_beyond_its_time(scripted):
    cli = scripted(problem(503, "overloaded", headers={"Retry-After": "3600"}))
    cli.write("cat.png", b"data")
    begun = time.monotonic()
    cli.fails(6, "put", "cat.png")
    assert time.monotonic() - begun < 20
    assert len(cli.server.requests) == 1


def test_put_with_no_time_tries_once(scripted):
    cli = scripted(BUSY)
    cli.write("cat.png", b"data")
    assert "trying again" not in cli.fails(6, "put", "--timeout", "0", "cat.png")
    assert len(cli.server.requests) == 1


@pytest.mark.parametrize("answer", [problem(422, "rejected"), problem(400, "invalid")])
def test_put_does_not_repeat_what_was_refused(scripted, answer):
    cli = scripted(answer)
    cli.write("cat.png", b"data")
    cli("put", "cat.png")
    assert len(cli.server.requests) == 1


# ---- get


def test_get_writes_to_the_file_named(cli, stored):
    reference, _, data = stored
    assert cli.out("get", "-o", "mine.png", reference) == []
    assert (cli.folder / "mine.png").read_bytes() == data


def test_get_writes_into_a_folder(cli, stored):
    reference, name, data = stored
    (cli.folder / "into").mkdir()
    assert cli.out("get", "-o", "into", reference) == [f"into/{name}"]
    assert cli.out("get", "-f", "-o", "into/", reference) == [f"into/{name}"]
    assert (cli.folder / "into" / name).read_bytes() == data


def test_get_writes_to_standard_output(cli, stored):
    reference, _, data = stored
    assert cli("get", "-o", "-", reference).stdout == data
    assert cli("get", "-o-", reference, reference).stdout == data * 2
    assert os.listdir(cli.folder) == []


def test_get_has_the_mode_of_other_files(cli, stored):
    reference, name, _ = stored
    cli.out("get", reference)
    cli.write("other", b"")
    assert (cli.folder / name).stat().st_mode == (cli.folder / "other").stat().st_mode


def test_get_does_not_overwrite(cli, stored):
    reference, name, data = stored
    cli.write(name, b"precious")
    assert f"{name} exists; --force overwrites it" in cli.fails(8, "get", reference)
    assert (cli.folder / name).read_bytes() == b"precious"
    assert cli.out("get", "--force", reference) == [name]
    assert (cli.folder / name).read_bytes() == data
    assert os.listdir(cli.folder) == [name]


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_get_opens_no_pipe_of_a_name_it_was_told(cli, stored, force):
    reference, name, data = stored
    os.mkfifo(cli.folder / name)
    reader = os.open(cli.folder / name, os.O_RDONLY | os.O_NONBLOCK)
    assert cli("get", *force, reference).returncode == (0 if force else 8)
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert (cli.folder / name).is_fifo() == (not force)


def test_get_takes_a_range(cli, stored):
    reference, _, data = stored
    assert cli("get", "-o", "-", "--range", "0-7", reference).stdout == data[:8]
    assert cli("get", "-o", "-", "-r100-", reference).stdout == data[100:]
    assert "not FIRST-LAST" in cli.fails(2, "get", "--range", "x", reference)
    cli.fails(2, "get", "--range", "99999999-", reference)


def test_get_of_several_tells_which_is_which(cli, stored):
    reference, name, _ = stored
    (other,) = cli.out("put", "-", input=b"[1]")
    assert cli.out("get", reference, other) == [
        f"{reference}\t{name}",
        f"{other}\t{other.split('/')[1]}.json",
    ]


def test_get_of_several_needs_a_folder(cli):
    assert "no folder nowhere" in cli.fails(2, "get", "-o", "nowhere", REFERENCE, REFERENCE)


def test_get_leaves_nothing_of_what_is_not_there(cli):
    cli.fails(3, "get", REFERENCE)
    assert os.listdir(cli.folder) == []


def test_get_begins_anew_after_a_cut(scripted):
    cli = scripted(cut(), content())
    assert cli("get", REFERENCE).returncode == 0
    assert len(cli.server.requests) == 2
    (name,) = os.listdir(cli.folder)
    assert (cli.folder / name).read_bytes() == b"data"


def test_get_leaves_nothing_of_what_was_cut(scripted):
    cli = scripted(cut())
    cli.fails(6, "get", "--timeout", "0", REFERENCE)
    assert os.listdir(cli.folder) == []


def test_get_does_not_repeat_itself_on_a_pipe(scripted):
    cli = scripted(cut(), content())
    done = cli("get", "-o", "-", REFERENCE)
    assert (done.returncode, done.stdout) == (6, b"beginning")


def test_get_checks_the_digest(scripted):
    status, headers, _ = content()
    cli = scripted((status, headers, b"evil"))
    cli.fails(1, "get", REFERENCE)
    assert os.listdir(cli.folder) == []


@pytest.mark.parametrize(
    "told, wanted",
    [
        ("../../evil.png", "evil.png"),
        (".bashrc", "_bashrc"),
        ("-rf", "_rf"),
        (None, f"{ID}.png"),
    ],
)
def test_get_makes_names_safe(scripted, told, wanted):
    cli = scripted(content(name=told))
    cli.out("get", REFERENCE)
    assert os.listdir(cli.folder) == [wanted]


def test_get_takes_addresses_for_references(cli, stored):
    reference, name, _ = stored
    assert cli.out("get", f"{cli.url}/v1/objects/{reference}") == [name]
    assert cli.out("get", "-f", f"/v1/objects/{reference}") == [name]


def test_get_tells_a_full_disk(cli, stored):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    assert "No space left" in cli.fails(8, "get", "-o", "/dev/full", stored[0])
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "stat", stored[0]], env=cli.environment, stdout=full, stderr=-1)
    assert (done.returncode, b"No space left" in done.stderr) == (8, True)


def test_get_leaves_nothing_of_a_file_that_grew_too_long(cli, stored):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
    assert "File too large" in cli.fails(8, "get", stored[0], preexec_fn=limit)
    assert os.listdir(cli.folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_leaves_nothing(scripted, number):
    waiting = threading.Event()

    def stall(handler):
        cut()(handler)
        handler.wfile.flush()
        waiting.wait(30)

    cli = scripted(stall)
    # Who runs the tests in the background has turned some of them off.
    heard = lambda: signal.signal(number, signal.SIG_DFL)
    process = cli.spawn("get", REFERENCE, stderr=subprocess.DEVNULL, preexec_fn=heard)
    wait_for(lambda: any((cli.folder / each).stat().st_size for each in os.listdir(cli.folder)))
    process.send_signal(number)
    assert process.wait(10) == -number
    waiting.set()
    assert os.listdir(cli.folder) == []


def test_closed_descriptors_are_nobody_elses(cli, stored):
    for redirections, code in (("<&- 2>&-", 0), (">&-", 8)):
        done = subprocess.run(
            ["bash", "-c", f"{PROGRAM} get -f {stored[0]} {redirections}"],
            env=cli.environment,
            cwd=cli.folder,
            capture_output=True,
        )
        assert done.returncode == code, done.stderr
        assert (cli.folder / stored[1]).read_bytes() == stored[2]


# ---- stat, ls, rm


def test_stat_is_for_people(cli, stored):
    reference, name, data = stored
    lines = dict(re.split(r":\s+", line, maxsplit=1) for line in cli.out("stat", reference))
    assert lines["reference"] == reference
    assert lines["name"] == name
    assert lines["content type"] == "image/png"
    assert re.fullmatch(rf"{len(data)} B \([\d.]+ KiB\)", lines["size"])
    assert lines["sha256"] == hashlib.sha256(data).hexdigest()
    assert (lines["width"], lines["height"]) == ("160", "120")


def test_stat_shows_metadata(cli):
    (reference,) = cli.out("put", "-", "-m", "colour=black", input=b"[1]")
    assert "meta.colour:   black" in cli.out("stat", reference)


def test_stat_as_json_is_the_description(cli, stored):
    reference, name, data = stored
    (line,) = cli.out("stat", "--json", reference)
    assert json.loads(line)["filename"] == name


def test_references_come_from_standard_input(cli):
    references = [cli.out("put", "-", input=b"[%d]" % n)[0] for n in range(3)]
    lines = ("\n".join(references) + "\n\n").encode()
    told = [json.loads(line)["reference"] for line in cli.out("stat", "--json", "-", input=lines)]
    assert told == references
    cli.out("rm", "-", input=lines)
    assert cli.fails(3, "stat", "-", input=lines).count("There is no object") == 3


@pytest.mark.parametrize("more", [b"\0", b"a" * 5000])
def test_a_line_is_a_reference_or_a_failure(cli, stored, more):
    done = cli("rm", "-", input=stored[0].encode() + more + b"\n")
    assert (done.returncode, b"not a reference" in done.stderr) == (2, True)
    assert len(done.stderr) < 5000
    cli.out("rm", "-", input=stored[0].encode())


def test_streams_that_fail_are_told_as_json(cli, stored):
    folder = os.open("/", os.O_RDONLY)
    told = json.loads(cli.fails(8, "stat", "--json", "-", stdin=folder))
    os.close(folder)
    assert (told["subject"], told["code"], told["exit"]) == ("-", "local", 8)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "stat", "--json", stored[0]], env=cli.environment, stdout=full, stderr=-1)
    assert json.loads(done.stderr)["error"] == "standard output: No space left on device"


def test_ls_lists_what_matches(cli):
    mark = uuid.uuid4().hex
    for n in range(3):
        cli.out("put", "-", "-n", f"{mark}-{n}.json", input=b"[%d]" % n)
    names = [line.split("\t")[4] for line in cli.out("ls", f"{mark}-*")]
    assert sorted(names) == [f"{mark}-{n}.json" for n in range(3)]
    assert len(cli.out("ls", "-q", f"{mark}-[01].json", "nothing")) == 2
    assert len(cli.out("ls", "--limit", "2", f"{mark}-*")) == 2
    assert cli.out("ls", "--type", "pdf", f"{mark}-*") == []
    assert {json.loads(line)["size"] for line in cli.out("ls", "--json", f"{mark}-*")} == {3}


def test_ls_has_five_fields(cli, stored):
    reference, name, data = stored
    (line,) = cli.out("ls", name)
    told, size, created, media_type, called = line.split("\t")
    assert (told, int(size), media_type, called) == (reference, len(data), "image/png", name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", created)


def page(*descriptions, cursor=None):
    return as_json(200, {"objects": list(descriptions)} | ({"next_cursor": cursor} if cursor else {}))


def test_ls_turns_pages(scripted):
    cli = scripted(page(description("a"), cursor="x y"), page(cursor="z"), page(description("b")))
    assert [line.split("\t")[4] for line in cli.out("ls")] == ["a", "b"]
    assert [path for _, path, *_ in cli.server.requests][1].count("cursor=x%20y") == 1


def test_ls_ends_at_its_limit(scripted):
    cli = scripted(page(description("a"), description("b"), cursor="x"))
    assert len(cli.out("ls", "-n", "1")) == 1
    assert len(cli.server.requests) == 1
    assert "limit=1" in cli.server.requests[0][1]


def test_ls_tries_a_page_again(scripted):
    cli = scripted(page(description("a"), cursor="x"), BUSY, page(description("b")))
    done = cli("ls", "-q")
    assert (done.returncode, done.stdout.decode().split()) == (0, [REFERENCE] * 2)


def test_ls_of_a_broken_page_prints_what_came_before(scripted):
    cli = scripted(page(description("a"), cursor="x"), problem(500, "internal"))
    done = cli("ls", "-q")
    assert (done.returncode, done.stdout.decode()) == (1, REFERENCE + "\n")
    assert b"(correlation id x1)" in done.stderr


def test_what_the_server_says_controls_no_terminal(scripted):
    cli = scripted(problem(404, "not_found", "a\x1b[2J\tb\n\u202egpj.exe"))
    told = cli.fails(3, "stat", REFERENCE)
    assert "gpj.exe" in told
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", told)
    assert "[2J" not in cli.terminal("rm", f"nonsense\x1b[2J")[1].replace("?[2J", "")


def test_a_wrong_option_controls_no_terminal(tmp_path):
    for wrong in ("--\x1b[2J", "-\x1b", "--meta=\x1b[2J"):
        assert "\x1b" not in Cli("http://127.0.0.1:1", tmp_path).fails(2, "put", wrong)


def test_ls_ends_quietly_with_its_reader(cli, stored):
    script = f"{PROGRAM} ls -q | head -n 0; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], env=cli.environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "141")


def test_ls_ends_quietly_without_sigpipe(scripted):
    cli = scripted(page(description("a"), cursor="x"), page(description("b")))
    reader, writer = os.pipe()
    os.close(reader)
    process = cli.spawn("ls", stdout=writer, stderr=subprocess.PIPE, restore_signals=False)
    os.close(writer)
    assert process.communicate(timeout=30)[1] == b""
    assert process.returncode == 8
    assert len(cli.server.requests) == 1


def test_rm_is_silent(cli, stored):
    reference, *_ = stored
    assert cli.out("rm", reference) == []
    cli.fails(3, "rm", reference)
    assert cli.out("rm", "--ignore-missing", reference) == []
    (line,) = cli.out("rm", "--ignore-missing", "--json", reference)
    assert json.loads(line) == {"reference": reference, "deleted": False}


def test_rm_says_what_it_did(cli, stored):
    assert cli.out("rm", "-v", stored[0]) == [stored[0]]


def test_rm_goes_on_after_a_failure(cli, stored):
    done = cli("rm", "--json", REFERENCE, "nonsense", stored[0])
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"reference": stored[0], "deleted": True}


def test_rm_forgives_what_its_lost_attempt_did(scripted):
    cli = scripted(problem(504, "timeout"), problem(404, "not_found"))
    assert cli("rm", REFERENCE).returncode == 0
    assert len(cli.server.requests) == 2


# ---- failures


@pytest.mark.parametrize(
    "status, code, wanted",
    [
        (400, "invalid", 2),
        (404, "not_found", 3),
        (422, "rejected", 4),
        (415, "unsupported", 4),
        (413, "too_large", 4),
        (409, "conflict", 5),
        (410, "gone", 5),
        (412, "precondition", 5),
        (503, "unavailable", 6),
        (503, "overloaded", 6),
        (504, "timeout", 6),
        (401, "unauthorized", 7),
        (500, "internal", 1),
    ],
)
def test_exit_status_tells_what_failed(scripted, status, code, wanted):
    cli = scripted(problem(status, code, "This is why"))
    cli.write("cat.png", b"data")
    for command in (["put", "cat.png"], ["get", REFERENCE], ["stat", REFERENCE], ["rm", REFERENCE], ["ls"]):
        assert "This is why" in cli.fails(wanted, *command, "--timeout", "0")


def test_several_failures_of_a_kind_are_that_kind(scripted):
    cli = scripted(problem(404, "not_found"))
    cli.fails(3, "rm", REFERENCE, REFERENCE)
    cli.fails(1, "rm", REFERENCE, "nonsense")


def test_a_failure_as_json_is_one_line(scripted):
    cli = scripted(problem(422, "rejected", "Bad", rule="png.end", detected="image/png", offset=300))
    cli.write("cat.png", b"data")
    told = json.loads(cli.fails(4, "put", "--json", "cat.png"))
    assert (told["subject"], told["code"], told["exit"]) == ("cat.png", "rejected", 4)
    assert told["problem"]["rule"] == "png.end"
    told = json.loads(cli.fails(8, "put", "--json", 'no"file'))
    assert (told["subject"], told["code"], told["exit"]) == ('no"file', "local", 8)


def test_only_an_error_is_a_problem(scripted):
    told = json.loads(scripted(as_json(200, {"objects": [1]})).fails(1, "ls", "--json"))
    assert (told["code"], "problem" in told) == ("internal", False)


def test_an_answer_of_somebody_else_is_no_success(scripted):
    def portal(handler):
        html = b"<html>Welcome to the hotel"
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(html)))
        handler.end_headers()
        handler.wfile.write(html)

    cli = scripted(portal)
    cli.write("cat.png", b"data")
    for command in (["put", "cat.png"], ["stat", REFERENCE], ["ls"]):
        done = cli(*command, "--timeout", "0")
        assert done.returncode != 0 and done.stdout == b"", command
        assert b"<html" not in done.stderr


def test_an_answer_without_a_description_is_no_success(scripted):
    cli = scripted(as_json(201, {}), as_json(200, {}))
    cli.write("cat.png", b"data")
    for command in (["put", "cat.png"], ["stat", REFERENCE], ["ls"]):
        cli.fails(1, *command)


def test_a_description_of_other_bytes_is_no_success(scripted):
    cli = scripted(CREATED)
    cli.write("cat.png", b"another")
    assert "something else than was sent" in cli.fails(1, "put", "cat.png")
    assert len(cli.server.requests) == 1


def test_a_server_that_turns_in_a_circle_is_left(scripted):
    cli = scripted(page(description("a"), cursor="x"))
    assert cli("ls").returncode == 1
    assert len(cli.server.requests) == 2


def test_nobody_there_is_told_at_once(tmp_path):
    cli = Cli("http://127.0.0.1:1", tmp_path)
    for command in (["get", REFERENCE], ["stat", REFERENCE], ["rm", REFERENCE], ["ls"]):
        begun = time.monotonic()
        assert "http://127.0.0.1:1" in cli.fails(6, *command)
        assert time.monotonic() - begun < 20


def test_put_waits_for_a_server_that_starts(tmp_path):
    cli = Cli("http://127.0.0.1:1", tmp_path)
    cli.write("cat.png", b"data")
    told = cli.fails(6, "put", "--timeout", "600ms", "cat.png", "cat.png", "cat.png")
    assert told.count("trying again for up to 1 s") == 1
    assert told.count("sangraha: cat.png: cannot connect") == 3


def test_the_token_is_sent(scripted):
    cli = scripted(page())
    cli.write("token", b"secret word\n")
    cli.out("ls", "--api-token-file", "token")
    cli.environment["SANGRAHA_API_TOKEN"] = "other"
    cli.out("ls")
    sent = [headers.get("Authorization") for _, _, headers, _ in cli.server.requests]
    assert sent == ["Bearer secret word", "Bearer other"]


def test_https_is_checked_by_the_file(scripted, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "ca.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
        + ["-days", "1", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    cli = scripted(page(description("a")))
    cli.server.server.socket = context.wrap_socket(cli.server.server.socket, server_side=True)
    cli.environment["SANGRAHA_URL"] = cli.url.replace("http:", "https:")
    assert cli("ls").returncode not in (0, 2)
    assert len(cli.out("ls", "--ca-file", str(certificate))) == 1


def test_a_path_may_stand_in_front(scripted):
    cli = scripted(page())
    cli.out("ls", "--url", cli.url + "/store/")
    assert cli.server.requests[0][1].startswith("/store/v1/objects")


# ---- the command line itself


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["put"], "sangraha put: no files; see sangraha put --help\n"),
        (["get"], "sangraha get: no references; see sangraha get --help\n"),
        (["stat"], "sangraha stat: no references; see sangraha stat --help\n"),
        (["rm"], "sangraha rm: no references; see sangraha rm --help\n"),
        (["ls", "--jsno"], "sangraha ls: --jsno: there is no such option; is it --json? See sangraha ls --help\n"),
        (["put", "-n", "x", "a", "b"], "sangraha put: --filename is for one file; see sangraha put --help\n"),
        (["put", "-", "-"], "sangraha put: standard input can be read once only; see sangraha put --help\n"),
    ],
)
def test_a_wrong_line_is_explained(tmp_path, arguments, told):
    assert Cli("http://127.0.0.1:1", tmp_path).fails(2, *arguments) == told


def test_a_wrong_url_is_explained(tmp_path):
    assert "--help" in Cli("nonsense", tmp_path).fails(2, "ls")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_printed(tmp_path, command):
    (first, *_) = Cli("http://127.0.0.1:1", tmp_path).out(command, "--help")
    assert first.startswith(f"usage: sangraha {command} [OPTION]... ")


def options_of(command):
    """What --help tells of: long options, and letters."""
    done = subprocess.run([PROGRAM, command, "--help"], capture_output=True, text=True, check=True)
    return (
        set(re.findall(r"^  (?:-\w, |    )--([a-z-]+)", done.stdout, re.MULTILINE)),
        set(re.findall(r"^  -(\w), ", done.stdout, re.MULTILINE)),
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_the_manual_has_every_option(command):
    manual = (ROOT / "docs" / "man" / "sangraha.1").read_text()
    told, letters = options_of(command)
    for name in told - {"help"}:
        assert f"Fl -{name}" in manual, name
    for letter in letters - {"h"}:
        assert f".It Fl {letter} ," in manual, letter


# ---- completion


def complete(*words, cwd=None, **environment):
    """What bash offers for the last word."""
    script = f"""
        source {COMPLETION / "sangraha.bash"}
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _sangraha
        ((${{#COMPREPLY[@]}})) && printf '%s\\n' "${{COMPREPLY[@]}}"
        exit 0
    """
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", "sangraha", *words],
        cwd=cwd,
        env={"PATH": path} | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_commands_are_completed():
    assert complete("s") == ["serve", "stat"]
    assert set(COMMANDS) < set(complete(""))
    assert complete("help", "p") == ["put"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_completed(command):
    assert set(complete(command, "--")) == {f"--{name}" for name in options_of(command)[0]}
    for shell in ("_sangraha", "sangraha.fish"):
        text = (COMPLETION / shell).read_text()
        for name in options_of(command)[0]:
            assert re.search(rf"--{name}\b|-l {name}\b", text), f"{shell}: {name}"


def test_options_of_serve_are_completed():
    assert "--data-dir" in complete("serve", "--d")


def test_values_are_completed():
    assert complete("put", "--type", "") == ["json", "image", "pdf"]
    assert complete("ls", "-t", "p") == ["pdf"]
    assert complete("ls", "--type", "=", "p") == ["pdf"]
    assert complete("ls", "--type", "=") == ["json", "image", "pdf"]
    assert complete("put", "--content-type", "image/p") == ["image/png"]
    assert complete("put", "--filename", "") == []


def test_files_are_completed(tmp_path):
    for name in ("a b.png", "--x"):
        (tmp_path / name).touch()
    assert complete("put", "a", cwd=tmp_path) == ["a b.png"]
    assert complete("get", "-o", "a", cwd=tmp_path) == ["a b.png"]
    assert complete("put", "--", "--", cwd=tmp_path) == ["--x"]
    assert complete("get", "a", cwd=tmp_path) == []


def test_references_are_completed_on_request(scripted):
    cli = scripted(page(description()))
    assert complete("get", "", SANGRAHA_URL=cli.url) == []
    assert cli.server.requests == []
    asked = complete("get", "", SANGRAHA_URL=cli.url, SANGRAHA_COMPLETE_REFERENCES="1")
    assert asked == [REFERENCE]


# ---- on a terminal


def test_a_table_fits_the_terminal(scripted):
    cli = scripted(page(description("対象" * 40), description("short", size=12345678)))
    code, seen = cli.terminal("ls", columns=100)
    heading, first, second = seen.splitlines()
    assert code == 0
    assert heading.split() == ["REFERENCE", "SIZE", "CREATED", "TYPE", "NAME"]
    assert first.endswith("…") and second.endswith("short")
    assert sum(2 if ord(c) > 0x2e80 else 1 for c in first) <= 100
    assert re.search(r" 11\.8 MiB  2026-01-02 03:04  image/png  short$", second)


def test_a_narrow_terminal_keeps_references(scripted):
    _, seen = scripted(page(description("a name"))).terminal("ls", columns=60)
    assert all(REFERENCE in line for line in seen.splitlines()[1:])


def test_put_of_several_is_a_table_on_a_terminal(scripted):
    cli = scripted(CREATED)
    cli.write("a.png", b"data")
    _, seen = cli.terminal("put", "a.png", "a.png")
    assert seen.splitlines() == [f"{REFERENCE}  a.png"] * 2


def slowly(pieces, pause=0.1, size=200000):
    """An answer that takes its time."""

    def answer(handler):
        data = b"x" * size
        handler.send_response(200)
        handler.send_header("X-Correlation-ID", "x1")
        handler.send_header("Content-Type", "image/png")
        handler.send_header("Content-Disposition", 'inline; filename="slow.png"')
        handler.send_header("Content-Length", str(pieces * size))
        handler.end_headers()
        for _ in range(pieces):
            handler.wfile.write(data)
            time.sleep(pause)

    return answer


def test_progress_is_shown_and_cleared(scripted):
    cli = scripted(slowly(15))
    code, seen = cli.terminal("get", REFERENCE)
    bars = [bar for bar in seen.split("\r") if "%" in bar]
    assert code == 0
    assert 2 <= len(bars) <= 20
    assert re.search(r"\[#+ +\] +\d+% +[\d.]+ [KM]iB +[\d.]+ [KM]iB/s +0:0\d", bars[0])
    assert all(len(bar.removesuffix("\033[K")) < 80 for bar in bars)
    assert seen.endswith("\r\033[Kslow.png\r\n")


@pytest.mark.parametrize("option", ["--quiet", "--no-progress"])
def test_progress_can_be_turned_off(scripted, option):
    code, seen = scripted(slowly(12)).terminal("get", option, REFERENCE)
    assert code == 0
    assert seen == ("" if option == "--quiet" else "slow.png\r\n")


def test_no_progress_without_a_terminal(scripted):
    assert scripted(slowly(10)).out("get", REFERENCE) == ["slow.png"]


def test_what_is_quick_has_no_progress(cli, stored):
    _, seen = cli.terminal("get", stored[0])
    assert "%" not in seen
