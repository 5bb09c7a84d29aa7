# SPDX-License-Identifier: MIT
"""Objects that fit no message: stored and read through the programs, refused in their middle, and swept."""

import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import large
import pytest
import requests
from harness import Daemon, Rest, program, refused, wait_for
from large import MIB, Document, Unsized

# Small enough for a test to cross each of the limits.
LIMITS = {"inline_limit": "256K", "spool_limit": "1M"}
DAEMON_LIMIT = 64 * MIB


@pytest.fixture(scope="module", params=["daemons", "serve"])
def rest(request, live, tmp_path_factory):
    """The three programs on their servers, and the embedded default."""
    if request.param == "serve":
        folder = tmp_path_factory.mktemp("large") / "data"
        settings = {f"SANGRAHA_{name.upper()}": value for name, value in LIMITS.items()}
        daemon = Daemon("serve", settings | {"SANGRAHA_DATA_DIR": str(folder)}).start().ready()
        made = Rest(daemon.url)
        made.daemons, made.stack = [daemon], None
        yield made
        daemon.kill()
        return
    from conftest import stack_on

    stack = stack_on(live)
    try:
        receiver, getter, orchestrator = (
            stack.daemon(role, **(LIMITS if role == "orchestrator" else {"inline_limit": "256K"})).start()
            for role in ("receiver", "getter", "orchestrator")
        )
        for each in (receiver, getter, orchestrator):
            each.ready()
        made = Rest(orchestrator.url)
        made.daemons, made.stack = [receiver, getter, orchestrator], stack
        yield made
    finally:
        stack.close()


@pytest.fixture
def own_large(own_stack):
    """The three programs on servers that may be stopped; tickets end soon."""
    settings = {"ticket_timeout": 3, "heartbeat": 20}
    own_stack.receiver = own_stack.daemon("receiver", **settings).start()
    own_stack.getter = own_stack.daemon("getter", **settings).start()
    own_stack.orchestrator = own_stack.daemon("orchestrator", heartbeat=20, idle_timeout=10).start()
    for each in own_stack.daemons:
        each.ready()
    return Rest(own_stack.orchestrator.url)


def raw(data):
    return {"data": data}


def chunked(data):
    return {"data": iter([data[at : at + 100_000] for at in range(0, len(data), 100_000)])}


SIZES = [
    256 << 10,  # the largest that is in a message
    (256 << 10) + 1,
    MIB,  # the largest that is spooled
    MIB + 1,
    5 * MIB,  # one part
    5 * MIB + 1,
    10 * MIB,
    13 * MIB + 12_345,
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", [raw, chunked])
def test_every_size_comes_back(rest, size, way):
    body = Document(size, seed=size).bytes()
    answer = rest.post(**way(body), content_type="application/json", filename="große.json")
    assert answer.status_code == 201, answer.text
    told = answer.json()
    digest = hashlib.sha256(body).hexdigest()
    assert (told["size"], told["sha256"], told["etag"]) == (size, digest, f'"{digest}"')
    assert told["filename"] == "große.json" and told["facts"]["kind"] == "array"
    assert rest.stat(told["reference"]).json() == told
    assert rest.content(told["reference"]) == body
    assert told in rest.list(type="json", limit=1000).json()["objects"]


@pytest.mark.parametrize("size", [300_000, 2 * MIB, 11 * MIB])
def test_form_data(rest, size):
    body = Document(size).bytes()
    answer = rest.call(
        "POST",
        "/v1/objects",
        files={"meta.author": (None, "Zoë"), "file": ("a.json", body, "application/json")},
    )
    assert answer.status_code == 201, answer.text
    assert (answer.json()["filename"], answer.json()["metadata"]) == ("a.json", {"author": "Zoë"})
    assert rest.content(answer.json()["reference"]) == body


@pytest.mark.parametrize("make", [large.photo, lambda: large.photo("JPEG"), large.report])
def test_images_and_documents(rest, make):
    body = make()
    told = rest.store(body)
    assert rest.content(told["reference"]) == body
    assert told["facts"].get("width", 2400) == 2400
    refused(rest.post(body[:-200]), 422, "rejected")


def test_metadata_stays(rest):
    headers = {"Sangraha-Meta-author": "Zo%C3%AB", "X-Correlation-ID": "large-1"}
    answer = rest.post(Document(6 * MIB).bytes(), "application/json", headers=headers)
    assert answer.headers["X-Correlation-ID"] == "large-1"
    told = rest.stat(answer.json()["reference"]).json()
    assert told["metadata"] == {"author": "Zoë"} and told["filename"] is None


def begin_to_read(url, reference):
    """A connection whose client has asked, and reads nothing."""
    target = urlsplit(url)
    connection = socket.create_connection((target.hostname, target.port), timeout=60)
    connection.sendall(f"GET /v1/objects/{reference} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


class TestReads:
    @pytest.fixture(scope="class")
    def stored(self, rest):
        body = Document(12 * MIB + 7, seed=5).bytes()
        return rest.store(body, "application/json", filename="t.json"), body

    def test_ranges(self, rest, stored):
        told, body = stored
        size = len(body)
        cut = 5 * MIB
        for first, last in ((0, 0), (0, 99), (cut - 3, cut + 3), (cut, 2 * cut), (size - 1, size - 1), (1, size - 1)):
            answer = rest.get(told["reference"], headers={"Range": f"bytes={first}-{last}"})
            assert answer.status_code == 206
            assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
            assert answer.content == body[first : last + 1]
        answer = rest.get(told["reference"], headers={"Range": "bytes=-5"})
        assert (answer.status_code, answer.content) == (206, body[-5:])
        answer = rest.get(told["reference"], headers={"Range": f"bytes={size}-"})
        assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{size}")

    def test_conditions(self, rest, stored):
        told, body = stored
        reference, etag = told["reference"], told["etag"]
        assert rest.get(reference, headers={"If-None-Match": etag}).status_code == 304
        assert rest.get(reference, headers={"If-Match": '"other"'}).status_code == 412
        ranged = {"Range": "bytes=10-19"}
        assert rest.get(reference, headers=ranged | {"If-Range": etag}).content == body[10:20]
        whole = rest.get(reference, headers=ranged | {"If-Range": '"other"'})
        assert (whole.status_code, whole.content) == (200, body)

    def test_head_tells_all(self, rest, stored):
        told, body = stored
        answer = rest.head(told["reference"])
        assert answer.headers["Content-Length"] == str(len(body)) and answer.headers["ETag"] == told["etag"]
        assert "t.json" in answer.headers["Content-Disposition"] and not answer.content

    def test_a_reader_that_goes_away(self, rest, stored):
        for _ in range(8):
            with rest.get(stored[0]["reference"], stream=True) as answer:
                next(answer.iter_content(1000))
        assert rest.content(stored[0]["reference"]) == stored[1]

    def test_readers_that_stand_still(self, rest):
        """More than there are transfers at once; a store may not delete what it is sending."""
        body = Document(24 * MIB, seed=6).bytes()
        told = rest.store(body, "application/json")
        readers = [begin_to_read(rest.url, told["reference"]) for _ in range(70)]
        try:
            assert all(reader.recv(15) == b"HTTP/1.1 200 OK" for reader in readers)
            assert rest.content(told["reference"]) == body
            assert rest.delete(told["reference"]).status_code == 204
        finally:
            for reader in readers:
                reader.close()

    def test_many_readers(self, rest, stored):
        with ThreadPoolExecutor(24) as pool:
            seen = list(pool.map(lambda _: large.download(rest, stored[0]["reference"]), range(48)))
        assert seen == [(len(stored[1]), stored[0]["sha256"])] * 48


def test_a_delete_leaves_nothing(rest):
    told = rest.store(Document(7 * MIB).bytes(), "application/json")
    assert rest.delete(told["reference"]).status_code == 204
    assert rest.get(told["reference"]).status_code == 404
    assert rest.delete(told["reference"]).status_code == 404
    if rest.stack:
        assert [key for key in large.left_of(rest.stack) if told["id"] in key and "/deleted/" not in key] == []


def test_a_key_is_one_write(rest):
    body = Document(6 * MIB, seed=9).bytes()
    headers = {"Idempotency-Key": f"large-{random.random()}"}
    first = rest.post(body, "application/json", headers=headers)
    again = rest.post(body, "application/json", headers=headers)
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert again.headers["Idempotency-Replayed"] == "true" and again.json() == first.json()
    other = rest.post(Document(6 * MIB, seed=10).bytes(), "application/json", headers=headers)
    refused(other, 409, "conflict")
    assert rest.content(first.json()["reference"]) == body


def test_a_digest_is_verified(rest):
    import base64

    body = Document(6 * MIB, seed=11).bytes()
    right = base64.b64encode(hashlib.sha256(body).digest()).decode()
    wrong = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    assert rest.post(body, headers={"Content-Digest": f"sha-256=:{right}:"}).status_code == 201
    before = rest.stack and large.left_of(rest.stack)
    refused(rest.post(body, headers={"Content-Digest": f"sha-256=:{wrong}:"}), 400, "invalid")
    if rest.stack:
        assert large.left_of(rest.stack) == before


# Refusals


def bad(at, size=40 * MIB):
    """JSON that goes wrong at byte `at`."""
    good = Document(size).bytes()
    return good[:at] + b"\x00" + good[at + 1 :]


@pytest.mark.parametrize("at", [100_000, 6 * MIB, 39 * MIB])
def test_refused_in_mid_upload(rest, at):
    body = bad(at)
    for data in (body, chunked(body)["data"]):
        problem = refused(rest.post(data, "application/json"), 422, "rejected")
        assert problem["rule"].startswith("json.") and problem["offset"] == at
    if rest.stack:
        wait_for(lambda: not [key for key in large.left_of(rest.stack) if "/upload/" in key])


def by_http_client(url, body, content_type):
    target = urlsplit(url)
    connection = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
    connection.request("POST", "/v1/objects", body=body, headers={"Content-Type": content_type})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def by_requests(url, body, content_type):
    answer = requests.post(f"{url}/v1/objects", data=body, headers={"Content-Type": content_type}, timeout=60)
    return answer.status_code, answer.json()


def by_curl(url, body, content_type):
    command = ["curl", "-s", "-w", "\n%{http_code}", "-H", f"Content-Type: {content_type}", "--data-binary", "@-"]
    done = subprocess.run([*command, f"{url}/v1/objects"], input=body, capture_output=True, timeout=60)
    text, status = done.stdout.rsplit(b"\n", 1)
    return int(status), json.loads(text)


@pytest.mark.parametrize("send", [by_http_client, by_requests, by_curl])
def test_clients_see_why(rest, send):
    html = b"<!DOCTYPE html><html><body>" + b"<p>text</p>" * (3 * MIB)
    assert send(rest.url, html, "application/octet-stream")[0] == 415
    assert send(rest.url, b"\x89PNG" + html, "image/png")[0] == 415
    status, problem = send(rest.url, bad(2 * MIB), "application/json")
    assert (status, problem["offset"]) == (422, 2 * MIB)


def test_limits_are_told(live, tmp_path):
    settings = {"SANGRAHA_DATA_DIR": str(tmp_path / "data"), "SANGRAHA_MAX_OBJECT_SIZE": "8M"}
    daemon = Daemon("serve", settings).start().ready()
    try:
        rest = Rest(daemon.url)
        assert rest.post(Document(8 * MIB).bytes()).status_code == 201
        refused(rest.post(Document(8 * MIB + 1).bytes()), 413, "too_large")
        refused(rest.post(Unsized(Document(20 * MIB))), 413, "too_large")
        assert by_curl(daemon.url, Document(30 * MIB).bytes(), "application/json")[0] == 413
    finally:
        daemon.kill()


def test_large_writes_off(tmp_path):
    settings = {"SANGRAHA_DATA_DIR": str(tmp_path / "data"), "SANGRAHA_LARGE_WRITES": "off"}
    daemon = Daemon("serve", settings).start().ready()
    try:
        rest = Rest(daemon.url)
        assert rest.post(Document(MIB // 2).bytes()).status_code == 201
        refused(rest.post(Document(MIB // 2 + 1).bytes()), 413, "too_large")
    finally:
        daemon.kill()


def test_a_restart_keeps_large_objects(tmp_path):
    settings = {"SANGRAHA_DATA_DIR": str(tmp_path / "data")}
    body = Document(17 * MIB).bytes()
    daemon = Daemon("serve", settings).start().ready()
    told = Rest(daemon.url).store(body, "application/json")
    daemon.kill()
    daemon = Daemon("serve", settings).start().ready()
    assert Rest(daemon.url).content(told["reference"]) == body
    daemon.kill()


# What must not stay


def cut_off(url, body, sent):
    """Begin an upload, send so many bytes of it, and keep the connection."""
    target = urlsplit(url)
    connection = socket.create_connection((target.hostname, target.port))
    head = f"POST /v1/objects HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body[:sent])
    return connection


def test_a_client_that_stops(rest, request):
    body = Document(40 * MIB).bytes()
    connection = cut_off(rest.url, body, 18 * MIB)
    if rest.stack:
        wait_for(lambda: [key for key in large.left_of(rest.stack) if "/upload/" in key])
    connection.close()
    if rest.stack:
        wait_for(lambda: not [key for key in large.left_of(rest.stack) if "/upload/" in key])
    assert rest.store(body, "application/json")["size"] == len(body)


def test_a_bad_last_byte_leaves_nothing(own_large, own_stack, own_store):
    before = large.left_of(own_stack)
    body = Document(64 * MIB, last=b"}")
    problem = refused(own_large.post(body, "application/json"), 422, "rejected")
    assert problem["offset"] == 64 * MIB - 1
    assert large.left_of(own_stack) == before and large.open_uploads(own_store) == []


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_killed_orchestrator_leaves_is_swept(own_large, own_stack, own_store, restarted):
    before = large.left_of(own_stack)
    connection = cut_off(own_large.url, Document(40 * MIB).bytes(), 18 * MIB)
    wait_for(lambda: large.open_uploads(own_store))
    own_stack.orchestrator.kill()
    connection.close()
    if restarted:
        own_store.stop()
        own_store.start()
    wait_for(lambda: not large.open_uploads(own_store), 30)
    wait_for(lambda: large.left_of(own_stack) == before, 30)


def test_a_receiver_killed_in_mid_upload(own_large, own_stack):
    body = Document(48 * MIB).bytes()

    def slowly():
        for at in range(0, len(body), 4 * MIB):
            if at == 24 * MIB:
                own_stack.receiver.kill()
                own_stack.receiver = own_stack.start("receiver", ticket_timeout=3, heartbeat=20)
            yield body[at : at + 4 * MIB]

    answer = own_large.post(slowly(), "application/json")
    assert answer.status_code == 201, answer.text
    assert own_large.content(answer.json()["reference"]) == body


class Slowly:
    """4 MiB a second, behind the first bytes: the client's own pace, which is what is tested."""

    def __init__(self, body, at_once=0):
        self.body, self.at_once = body, at_once

    def __iter__(self):
        if self.at_once:
            yield self.body[: self.at_once]
        for at in range(self.at_once, len(self.body), MIB):
            time.sleep(0.25)
            yield self.body[at : at + MIB]


class SlowlyWithLength(Slowly):
    def __len__(self):
        return len(self.body)


@pytest.mark.parametrize("way", [Slowly, lambda body: SlowlyWithLength(body, 8 * MIB)], ids=["parts", "stream"])
def test_an_upload_that_outlives_its_ticket(own_large, way):
    """A ticket of 3 seconds: extended again and again."""
    body = Document(40 * MIB).bytes()
    answer = own_large.post(way(body), "application/json")
    assert answer.status_code == 201, answer.text
    assert own_large.content(answer.json()["reference"]) == body


# Memory


def test_many_at_once_in_bounded_memory(live):
    """They take turns; half of them do not tell their length."""
    from conftest import stack_on

    stack = stack_on(live)
    try:
        daemons = [stack.daemon(role).start() for role in ("receiver", "getter", "orchestrator")]
        for each in daemons:
            each.ready()
        rest = Rest(daemons[2].url)

        def one(i):
            body = Document(40 * MIB, seed=i * 1000)
            answer = requests.post(
                f"{rest.url}/v1/objects",
                data=iter(body) if i % 2 else body.bytes(),
                headers={"Content-Type": "application/json"},
                timeout=150,
            )
            assert answer.status_code == 201, answer.text
            assert answer.json()["sha256"] == body.sha256()
            return large.download(rest, answer.json()["reference"])[0]

        with ThreadPoolExecutor(12) as pool:
            assert list(pool.map(one, range(12))) == [40 * MIB] * 12
        for each in daemons:
            assert large.peak_memory(each) < DAEMON_LIMIT or "SANITIZER" in str(os.environ.get("ASAN_OPTIONS")), each.role
    finally:
        stack.close()


# Reads that go to the store, and writes that are not trusted


def test_redirects(live):
    from conftest import stack_on

    stack = stack_on(live)
    try:
        orchestrator = stack.daemon("orchestrator", large_reads="redirect").start()
        stack.start("receiver", "getter")
        orchestrator.ready()
        rest = Rest(orchestrator.url)
        body = Document(6 * MIB).bytes()
        told = rest.store(body, "application/json", filename="Menü.json")
        answer = rest.get(told["reference"] + "?download", allow_redirects=False)
        assert answer.status_code == 307 and answer.headers["Cache-Control"] == "no-store"
        direct = requests.get(answer.headers["Location"], timeout=30)
        assert (direct.status_code, direct.content) == (200, body)
        assert direct.headers["Content-Type"] == "application/json"
        disposition = direct.headers["Content-Disposition"]
        assert disposition.startswith("attachment") and "Men%C3%BC.json" in disposition
        part = requests.get(answer.headers["Location"], headers={"Range": "bytes=5-9"}, timeout=30)
        assert (part.status_code, part.content) == (206, body[5:10])
        assert rest.get(told["reference"], headers={"If-None-Match": told["etag"]}).status_code == 304
        small = rest.store(b"{}")
        assert rest.get(small["reference"], allow_redirects=False).status_code == 200
    finally:
        stack.close()


def test_verified_writes(live):
    from conftest import stack_on

    stack = stack_on(live)
    try:
        stack.start("receiver", verify_large="on")
        _, orchestrator = stack.start("getter", "orchestrator")
        rest = Rest(orchestrator.url)
        for size in (5 * MIB, 23 * MIB):
            body = Document(size).bytes()
            told = rest.store(body, "application/json")
            assert rest.content(told["reference"]) == body and told["facts"]["kind"] == "array"
    finally:
        stack.close()


@pytest.mark.skipif(not program("serve").exists(), reason="not built: sangraha")
def test_the_command_line(rest, tmp_path):
    body = Document(21 * MIB + 1).bytes()
    source, target = tmp_path / "large.json", tmp_path / "back.json"
    source.write_bytes(body)
    environment = os.environ | {"SANGRAHA_URL": rest.url}
    run = lambda *arguments, **more: subprocess.run(
        [program("serve"), *arguments], env=environment, capture_output=True, timeout=60, **more
    )
    done = run("put", source)
    assert done.returncode == 0, done.stderr
    reference = done.stdout.decode().split()[0]
    assert run("get", "-o", target, reference).returncode == 0
    assert target.read_bytes() == body
    piped = run("put", "-", input=body)
    assert piped.returncode == 0, piped.stderr
    source.write_bytes(body[:-1])
    told = run("put", source)
    assert told.returncode and b"json.end" in told.stderr + told.stdout


# Policies


def test_policies_are_settings(tmp_path):
    """Where the body is inline the receiver refuses, where it is large the one who sends it."""
    script = b"7 0 obj\n<</S/JavaScript/JS(app.alert\\(1\\))>>\nendobj\n"
    flags = ["--json-scalars", "refuse", "--image-trailing", "refuse", "--pdf-javascript", "refuse"]
    environment = {"SANGRAHA_DATA_DIR": str(tmp_path / "data")}
    strict = Daemon("serve", environment, *flags).start().ready()
    try:
        rest = Rest(strict.url)
        assert refused(rest.post(b"42", "application/json"), 422, "rejected")["rule"] == "json.scalar"
        photo = large.photo()
        assert refused(rest.post(photo + b"x"), 422, "rejected")["rule"] == "image.trailing"
        assert refused(rest.post(Unsized([photo, b"x"])), 422, "rejected")["offset"] == len(photo)
        for size in (2000, 6 * MIB):
            body = large.report(size, script)
            assert refused(rest.post(body, "application/pdf"), 422, "rejected")["rule"] == "pdf.javascript"
            assert rest.post(large.report(size), "application/pdf").status_code == 201
    finally:
        strict.kill()
    lax = Daemon("serve", environment).start().ready()
    try:
        told = Rest(lax.url).store(large.report(6 * MIB, script))
        assert told["facts"]["javascript"] is True
    finally:
        lax.kill()
