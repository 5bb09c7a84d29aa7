# SPDX-License-Identifier: MIT
"""A foreign receiver, the one that docs/protocol.md shows, behind our orchestrator."""

import subprocess
import sys
import uuid

import pytest
from harness import Rest, refused, wait_for
from test_protocol_requester import JSON_MODE, WRITES, Requester, example


@pytest.fixture
def foreign(empty_stack):
    """The HTTP interface with the page's receiver for a receiver and none of ours."""
    receiver = subprocess.Popen(
        [sys.executable, "-c", example("receiver")],
        env={"SANGRAHA_QUEUE_URL": empty_stack.broker_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert receiver.stdout.readline() == "consuming\n"
        orchestrator = empty_stack.daemon("orchestrator").start()
        wait_for(lambda: Rest(orchestrator.url).post(b"{}").status_code == 201)
        yield Rest(orchestrator.url)
    finally:
        receiver.kill()
        receiver.wait()


def test_it_answers_a_put(foreign):
    stored = foreign.store(b'{"a":1}', filename="संग्रह.json", headers={"Sangraha-Meta-Who": "me"})
    assert stored["type"] == "json" and stored["size"] == 7
    assert stored["filename"] == "संग्रह.json"
    assert stored["metadata"] == {"who": "me"}


def test_it_refuses(foreign):
    refused(foreign.post(b'{"a":1,}', "application/json"), 422, "rejected")


def test_it_knows_a_repeat(foreign):
    key = {"Idempotency-Key": "k"}
    first, again = foreign.post(b"[1]", headers=key), foreign.post(b"[1]", headers=key)
    assert again.status_code == 201 and again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    refused(foreign.post(b"[2]", headers=key), 409, "conflict")


def test_it_does_not_begin_what_is_late(foreign, empty_stack):
    with empty_stack.pika() as channel:
        asked = {"message_id": str(uuid.uuid4()), "deadline": 1700000000000}
        assert Requester(channel).ask(WRITES, "put", b"{}", **asked)[1]["code"] == "timeout"


def test_it_takes_binary_mode_only(foreign, empty_stack):
    with empty_stack.pika() as channel:
        asked = {"message_id": str(uuid.uuid4()), "content_type": JSON_MODE}
        assert Requester(channel).ask(WRITES, "put", b"{}", **asked)[1]["code"] == "unsupported"
