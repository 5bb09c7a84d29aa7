# SPDX-License-Identifier: MIT
"""Large bodies of which one part is held and the rest is not: how they lie in the store, and what breaks meanwhile."""

import http.client
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import large
import pytest
from harness import Rest, Stack, refused, wait_for
from large import MIB, Document, Unsized

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from chaos.links import Links  # noqa: E402

SIZE = 64 * MIB
SENT = 30 * MIB  # more than a part and what kernels hold


@pytest.fixture
def linked(own_broker, own_store):
    """All three programs, with the store behind a link."""
    for server in (own_broker, own_store):
        if not server.processes:
            server.start()
    links = Links()
    port = links.add("store", ("127.0.0.1", own_store.ports[0]))
    url = f"s3+http://127.0.0.1:{port}"
    made = Stack(own_broker.url, url, own_store.access_key, own_store.secret_key, own_broker.ctl_path)
    made.links = links
    try:
        made.receiver, made.getter, made.orchestrator = made.start("receiver", "getter", "orchestrator", heartbeat=20)
        made.rest = Rest(made.orchestrator.url)
        yield made
    finally:
        made.close()
        links.close()


def parts_of(stack, stored):
    """Of how many parts the store says that an object is."""
    head = stack.boto3().head_object(Bucket=stack.prefix + stored["type"], Key=stored["id"])
    return int(head["ETag"].strip('"').rpartition("-")[2])


class Sending:
    """A post of which the test sends as much as it likes, when it likes."""

    def __init__(self, url, body):
        target = urlsplit(url)
        self.connection = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
        self.connection.putrequest("POST", "/v1/objects")
        self.connection.putheader("Content-Type", "application/json")
        self.connection.putheader("Content-Length", str(len(body)))
        self.connection.endheaders()
        self.body, self.at = body, 0

    def send(self, end):
        self.connection.send(self.body[self.at : end])
        self.at = end

    def end(self):
        self.send(len(self.body))
        answer = self.connection.getresponse()
        self.text = answer.read()
        return answer


def interrupt(stack, kind):
    """What is on its way to the store breaks off; then all is well."""
    stack.links.fault("store", kind)
    stack.links.clear("store")


def test_what_comes_fast_is_two_parts(linked):
    body = Document(SIZE)
    data = body.bytes()
    counts = set()
    # On a busy machine nobody may be fast for once.
    for _ in range(3):
        stored = linked.rest.store(data, "application/json")
        assert large.download(linked.rest, stored["reference"]) == (SIZE, body.sha256())
        counts.add(parts_of(linked, stored))
    assert 2 in counts and counts <= {2, 13}
    assert parts_of(linked, linked.rest.store(Unsized(body), "application/json")) == 13


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_connection_cut_in_its_middle(linked, own_store, kind):
    """Who sends is told to repeat, nothing stays, and the repeat is stored."""
    data = Document(SIZE).bytes()
    before = large.left_of(linked)
    sending = Sending(linked.rest.url, data)
    sending.send(SENT)
    interrupt(linked, kind)
    answer = sending.end()
    assert answer.status == 503, sending.text
    assert answer.headers["Retry-After"]
    assert b'"unavailable"' in sending.text and b"has to be sent again" in sending.text
    wait_for(lambda: large.open_uploads(own_store) == [])
    wait_for(lambda: large.left_of(linked) == before)
    assert linked.rest.content(linked.rest.store(data, "application/json")["reference"]) == data


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_slow_client_does_not_notice(linked, kind):
    """It has parts that can be sent again."""
    data = Document(SIZE).bytes()
    sending = Sending(linked.rest.url, data)
    sending.send(4 * MIB)
    began = time.monotonic()
    wait_for(lambda: time.monotonic() - began > 1.5)  # the client's own pace, which is what is tested
    sending.send(SENT)
    interrupt(linked, kind)
    answer = sending.end()
    assert answer.status == 201, sending.text
