# SPDX-License-Identifier: MIT
"""`sangraha serve`: everything in one process, in a folder."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests
import samples
from harness import Daemon, Rest, command, program, refused, wait_for

pytestmark = pytest.mark.skipif(not program("serve").exists(), reason="not built: sangraha")


@pytest.fixture
def serve(tmp_path):
    """Makes programs on folders of the test's own, which end with it."""
    made = []

    def make(*flags, folder=None, **settings):
        more = {f"SANGRAHA_{name.upper()}": str(value) for name, value in settings.items()}
        daemon = Daemon("serve", {"SANGRAHA_DATA_DIR": str(folder or tmp_path / "data")} | more, *flags)
        made.append(daemon)
        return daemon

    yield make
    for each in made:
        each.kill()


@contextlib.contextmanager
def tmpfs(folder, options):
    """A file system of its own at `folder`."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True)
    if done.returncode:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def banner(daemon):
    """The lines behind the address."""
    return [daemon.process.stdout.readline().rstrip("\n") for _ in range(2)]


def fails(daemon, status, *words):
    """It ends by itself, with one sentence that has these words."""
    code, out, err = daemon.spawn().finish()
    assert (code, out) == (status, ""), err
    sentences = [line for line in err.splitlines() if line.startswith("sangraha serve: ")]
    assert len(sentences) == 1, err
    for word in words:
        assert str(word) in sentences[0]


def smoke(rest):
    """Each kind of request, once."""
    body = samples.document()
    made = rest.store(body, "application/json", filename="a.json")
    reference = made["reference"]
    assert rest.content(reference) == body
    assert rest.stat(reference).json() == made
    assert made in rest.list(limit=1000).json()["objects"]
    assert rest.delete(reference).status_code == 204
    refused(rest.get(reference), 404, "not_found")
    refused(rest.post(b'{"a":1,}', "application/json"), 422, "rejected")
    assert rest.store(samples.picture("PNG"))["type"] == "image"


# What it says


def test_the_first_line_is_true(serve):
    daemon = serve().start()
    assert requests.post(f"{daemon.url}/v1/objects", data=b'{"a":1}', timeout=10).status_code == 201


def test_the_banner_tells_the_folder(serve, tmp_path):
    daemon = serve().start()
    about, _ = banner(daemon)
    assert about.startswith("sangraha ") and about.endswith(f", data in {tmp_path / 'data'}")


def test_the_default_folder_is_here(serve, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    about, _ = banner(serve(data_dir="").start())
    assert about.endswith(f", data in {tmp_path}/sangraha-data")


def run_printed(daemon):
    line = banner(daemon)[1]
    assert line.startswith("try:  curl ")
    done = subprocess.run(
        ["sh", "-c", line.removeprefix("try:  ") + " --silent --fail-with-body"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    assert json.loads(done.stdout)["type"] == "json"
    return line


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
class TestPrintedCommand:
    def test_works(self, serve):
        run_printed(serve().start())

    def test_works_with_a_token(self, serve, tmp_path):
        secret = tmp_path / "it's a token"
        secret.write_text("s3cret\n")
        daemon = serve(api_token_file=secret, listen="0.0.0.0:0").start()
        assert "s3cret" not in run_printed(daemon)
        assert "s3cret" not in daemon.stderr()

    def test_works_in_version_6(self, serve):
        if not os.path.exists("/proc/net/if_inet6"):
            pytest.skip("there is no IPv6")
        run_printed(serve(listen="[::]:0", insecure="on").start())


def test_help_and_version():
    for arguments in (["serve", "--help"], ["help", "serve"]):
        done = subprocess.run([program("serve"), *arguments], capture_output=True, text=True, timeout=10)
        assert done.returncode == 0 and done.stdout.startswith("usage: sangraha serve ")
        assert "--data-dir" in done.stdout and "--health-listen" not in done.stdout
    for arguments in (["--help"], ["help"], ["-h"]):
        done = subprocess.run([program("serve"), *arguments], capture_output=True, text=True, timeout=10)
        assert done.returncode == 0 and "  serve " in done.stdout
    done = subprocess.run([program("serve"), "--version"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0 and done.stdout.startswith("sangraha ")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["sevre"], "there is no command 'sevre'; is it 'serve'?"),
        (["zzzzzzzzzzzz"], "`sangraha help` lists them"),
        (["help", "sevre"], "is it 'serve'?"),
        (["--listen=x"], "--listen: a command comes first"),
        ([], "usage: sangraha COMMAND"),
        (["serve", "--data-dri", "x"], "is it --data-dir?"),
    ],
)
def test_mistakes_of_the_command_line(arguments, words):
    done = subprocess.run([program("serve"), *arguments], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


# What it does


def test_each_kind_of_request(serve):
    smoke(Rest(serve().start().url))


def test_a_restart_keeps_everything(serve):
    bodies = {name: make() for name, (_, _, make) in samples.ALL.items()}
    daemon = serve().start()
    rest = Rest(daemon.url)
    made = {name: rest.store(body, filename=name) for name, body in bodies.items()}
    gone = rest.store(b"[]")["reference"]
    rest.delete(gone)
    assert daemon.terminate() == 0
    rest = Rest(serve().start().url)
    for name, body in bodies.items():
        assert rest.content(made[name]["reference"]) == body
        assert rest.stat(made[name]["reference"]).json() == made[name]
    refused(rest.get(gone), 404, "not_found")
    listed = rest.list(limit=1000).json()["objects"]
    assert sorted(each["reference"] for each in listed) == sorted(each["reference"] for each in made.values())


def test_an_asynchronous_write(serve):
    rest = Rest(serve().start().url)
    answer = rest.post(b'{"later":1}', headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    done = wait_for(lambda: rest.operation(answer.headers["Location"]).json().get("object"))
    assert rest.content(done["reference"]) == b'{"later":1}'


def test_a_key_is_one_write(serve):
    rest = Rest(serve().start().url)
    first, second = (rest.post(b"[1]", headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"


def test_a_copy_of_the_folder(serve, tmp_path):
    daemon = serve().start()
    made = Rest(daemon.url).store(b'{"moves":true}')
    assert daemon.terminate() == 0
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    assert Rest(serve(folder=tmp_path / "elsewhere").start().url).content(made["reference"]) == b'{"moves":true}'


def test_health_and_metrics(serve):
    daemon = serve().start().ready()
    told = daemon.readiness().json()
    assert told["reads"] is True and told["writes"] is True and told["draining"] is False
    assert set(told["dependencies"].values()) == {"ok"}
    assert set(told["dependencies"]) == {"broker", "store", "receivers", "getters"}
    assert requests.get(f"{daemon.url}/health/live", timeout=10).status_code == 200
    Rest(daemon.url).store(b"[]")
    text = requests.get(f"{daemon.url}/metrics", timeout=10).text
    assert 'role="receiver"' in text and 'role="orchestrator"' in text


def test_folders_of_their_own(serve, tmp_path):
    """Queues in one, objects in another; neither is the data directory."""
    queues, objects = tmp_path / "queues", tmp_path / "objects"
    daemon = serve(queue_url=f"local:{queues}", store_url=f"file:{objects}").start()
    assert banner(daemon)[0].endswith(f", queues in {queues}, objects in {objects}")
    smoke(Rest(daemon.url))
    assert queues.exists() and objects.exists() and not (tmp_path / "data").exists()


# Why it does not start


def test_the_folder_is_in_use(serve, tmp_path):
    first = serve().start()
    fails(serve(), 1, first.process.pid, tmp_path / "data")
    smoke(Rest(first.url))


def test_the_folder_is_free_again(serve):
    serve().start().kill()
    smoke(Rest(serve().start().url))


def test_the_port_is_in_use(serve, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        fails(serve(listen=f"127.0.0.1:{port}"), 1, port)


def test_a_file_is_in_the_way(serve, tmp_path):
    (tmp_path / "data").write_text("not a folder")
    fails(serve(), 1, tmp_path / "data")


def test_the_folder_is_read_only(serve, tmp_path):
    with tmpfs(tmp_path / "data", "ro"):
        fails(serve(), 1, tmp_path / "data")


@pytest.mark.parametrize(
    "settings, word",
    [
        ({"queue_url": "bogus:"}, "queue"),
        ({"store_url": "bogus:"}, "store"),
        ({"listen": "0.0.0.0:0"}, "token"),
        ({"listen": "nonsense"}, "nonsense"),
        ({"inline_limit": "32M"}, "inline-limit"),
    ],
)
def test_the_configuration_is_wrong(serve, settings, word):
    fails(serve(**settings), 2, word)


# How it ends


class Load:
    """Writers that keep on until the server is gone, and remember what they were told."""

    def __init__(self, url, writers=8):
        self.url = url
        self.stored, self.wrong, self.broken = {}, [], 0
        self.threads = [threading.Thread(target=self.write) for _ in range(writers)]
        for each in self.threads:
            each.start()

    def write(self):
        rest = Rest(self.url)
        while True:
            body = samples.document(20)
            try:
                answer = rest.post(body, "application/json")
            except requests.ConnectionError:
                self.broken += 1
                return
            if answer.status_code == 201:
                self.stored[answer.json()["reference"]] = body
            else:
                self.wrong.append(answer.text)

    def wait(self, count):
        wait_for(lambda: len(self.stored) >= count or self.wrong, 30)

    def join(self):
        for each in self.threads:
            each.join(30)
        assert not self.wrong


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_loses_nothing(serve, number):
    daemon = serve().start()
    load = Load(daemon.url)
    load.wait(100)
    daemon.process.send_signal(number)
    assert daemon.process.wait(20) == 0
    load.join()
    assert "nothing is left in hand" in daemon.stderr()
    rest = Rest(serve().start().url)
    for reference, body in load.stored.items():
        assert rest.content(reference) == body


@contextlib.contextmanager
def half_a_request(daemon):
    port = int(daemon.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /v1/objects HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        # Requests are taken in their order; this one is behind the other.
        assert daemon.is_ready()
        yield client


def test_who_never_ends_does_not_keep_it(serve):
    daemon = serve(drain_timeout="500ms").start().ready()
    reference = Rest(daemon.url).store(b"[1]")["reference"]
    with half_a_request(daemon):
        assert daemon.terminate(5) == 0
    assert Rest(serve().start().url).content(reference) == b"[1]"


def test_a_second_interrupt_ends_it_at_once(serve):
    """A request that is being sent keeps the first one waiting."""
    daemon = serve(drain_timeout="30").start().ready()
    with half_a_request(daemon):
        daemon.process.send_signal(signal.SIGINT)
        wait_for(lambda: '"event":"draining"' in daemon.stderr())
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.process.wait(5) in (0, -signal.SIGINT)


# Limits


SMALL = {"memory_limit": "32M", "inline_limit": "4M", "log_level": "warn", "request_timeout": "120"}


def at_once(count, call):
    """What `count` calls at once return."""
    results = [None] * count

    def run(i):
        results[i] = call(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return results


def large(i, size=4 << 20):
    return b'"' + hashlib.sha256(b"%d" % i).hexdigest().encode() + b"x" * (size - 66) + b'"'


def post_large(daemon, i):
    headers = {"Content-Type": "application/json"}
    return requests.post(f"{daemon.url}/v1/objects", data=large(i), headers=headers, timeout=150)


def memory_in_use(daemon):
    text = requests.get(f"{daemon.url}/metrics", timeout=10).text
    return int(re.search(r"(?m)^sangraha_memory_bytes (\d+)", text)[1])


def test_bodies_take_turns_in_a_small_memory(serve):
    """64 uploads and 200 reads of 4 MiB at once, in 32 MiB."""
    daemon = serve(**SMALL).start()
    posted = at_once(64, lambda i: post_large(daemon, i))
    assert [each.status_code for each in posted] == [201] * 64
    references = [each.json()["reference"] for each in posted]

    def read(i):
        answer = requests.get(f"{daemon.url}/v1/objects/{references[i % 64]}", timeout=150)
        return answer.status_code, answer.content == large(i % 64)

    assert at_once(200, read) == [(200, True)] * 200


def test_reads_and_writes_mix_in_a_small_memory(serve):
    daemon = serve(**SMALL).start()
    first = f"{daemon.url}{post_large(daemon, 0).headers['Location']}"

    def either(i):
        return (requests.get(first, timeout=150) if i % 2 else post_large(daemon, i)).status_code

    assert at_once(80, either) == [201, 200] * 40


def test_slow_uploads_do_not_keep_others_from_reading(serve):
    """They hold all the memory that uploads may have, and send no more than they need for that."""
    daemon = serve(**SMALL).start().ready()
    reference = post_large(daemon, 0).json()["reference"]
    head = b"POST /v1/objects HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\n{" + b" " * 65536
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            address = ("127.0.0.1", int(daemon.url.rsplit(":", 1)[1]))
            stack.enter_context(socket.create_connection(address)).sendall(head)
        wait_for(lambda: memory_in_use(daemon) >= 24 << 20)
        assert Rest(daemon.url).content(reference) == large(0)


def fill(disk):
    """Take every byte that is left."""
    with pytest.raises(OSError), open(disk / "filler", "ab", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def store_until_full(rest, size):
    """What was stored until a write was refused, at once and with the reason."""
    made = []
    while True:
        begun = time.monotonic()
        answer = rest.post(large(len(made), size), "application/json")
        if answer.status_code != 201:
            break
        made.append(answer.json()["reference"])
    refused(answer, 503, "overloaded")
    assert answer.headers["Retry-After"] == "1"
    assert time.monotonic() - begun < 15
    return made


def test_a_full_disk(serve, tmp_path):
    """Writes are refused, reads go on, and nothing has to be started again."""
    with tmpfs(tmp_path / "disk", "size=24m") as disk:
        daemon = serve(folder=disk / "data").start().ready()
        rest = Rest(daemon.url)
        first = rest.store(b'{"first":1}')["reference"]
        fill(disk)
        for size in (3 << 20, 30_000):
            store_until_full(rest, size)
        assert rest.content(first) == b'{"first":1}'
        assert requests.get(f"{daemon.url}/health/live", timeout=10).status_code == 200
        wait_for(lambda: not daemon.readiness().json()["writes"])
        assert daemon.readiness().json()["reads"]
        os.truncate(disk / "filler", 0)
        made = wait_for(lambda: rest.post(b'{"second":1}').json().get("reference"), 20)
        assert rest.content(made) == b'{"second":1}'
        daemon.kill()


@pytest.mark.parametrize("again", [None, Daemon.kill, Daemon.terminate])
@pytest.mark.parametrize("size", [200_000, 30_000])
def test_a_full_disk_can_be_emptied(serve, tmp_path, size, again):
    """Deletes go on until there is room, whether the disk's others leave some or not."""
    with tmpfs(tmp_path / "disk", "size=24m") as disk:
        daemon = serve(folder=disk / "data").start().ready()
        rest = Rest(daemon.url)
        made = store_until_full(rest, size)
        fill(disk)
        if again:
            again(daemon)
            fill(disk)
            daemon = serve(folder=disk / "data").start()
            rest = Rest(daemon.url)
        assert rest.content(made[0]) == large(0, size)
        gone = len(made) // 2
        for reference in made[:gone]:
            answer = rest.delete(reference)
            assert answer.status_code == 204, answer.text
        more = large(len(made), size)
        made.append(wait_for(lambda: rest.post(more, "application/json").json().get("reference"), 20))
        for i, reference in enumerate(made):
            if i < gone:
                refused(rest.get(reference), 404, "not_found")
            else:
                assert rest.content(reference) == large(i, size)
        daemon.ready()
        daemon.kill()


def test_a_disk_that_is_full_at_the_start(serve, tmp_path):
    with tmpfs(tmp_path / "disk", "size=64k") as disk:
        (disk / "filler").write_bytes(bytes(64 << 10))
        fails(serve(folder=disk / "data"), 1, disk / "data")


# With servers


def test_on_a_broker_and_a_store(serve, empty_stack):
    settings = {k.removeprefix("SANGRAHA_").lower(): v for k, v in empty_stack.environment.items()}
    daemon = serve(**settings).start().ready()
    assert "data in" not in banner(daemon)[0]
    smoke(Rest(daemon.url))
    assert daemon.terminate() == 0


@pytest.mark.parametrize("local", ["queue_url", "store_url"])
def test_half_of_it_on_a_server(serve, empty_stack, local):
    settings = {k.removeprefix("SANGRAHA_").lower(): v for k, v in empty_stack.environment.items()}
    del settings[local]
    daemon = serve(**settings).start().ready()
    smoke(Rest(daemon.url))
    assert daemon.terminate() == 0


def test_a_store_that_is_down_shows_at_once(serve, own_stack, own_store):
    settings = {k.removeprefix("SANGRAHA_").lower(): v for k, v in own_stack.environment.items()}
    del settings["queue_url"]
    daemon = serve(**settings).start().ready()
    own_store.kill()
    # Reading and writing have a connection each, and find out one after the other.
    told = wait_for(lambda: not (a := daemon.readiness().json())["writes"] and not a["reads"] and a, 10)
    assert told["dependencies"]["store"] == "down"
    own_store.start()
    daemon.ready()
    assert Rest(daemon.url).store(b"[1]")
