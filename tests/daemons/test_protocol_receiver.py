# SPDX-License-Identifier: MIT
"""A foreign receiver, the one that docs/protocol.md shows, behind our orchestrator."""

import subprocess
import sys

import pytest
from harness import Rest, refused, wait_for
from test_protocol_requester import example


@pytest.fixture
def foreign(empty_stack):
    """The HTTP interface with the page's receiver for a receiver and none of ours."""
    orchestrator = empty_stack.daemon("orchestrator").start()
    wait_for(lambda: "object_write_queue" in queues(empty_stack))
    receiver = subprocess.Popen(
        [sys.executable, "-c", example("receiver")],
        env={"SANGRAHA_QUEUE_URL": empty_stack.broker_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert receiver.stdout.readline() == "consuming\n"
    yield Rest(orchestrator.url)
    receiver.kill()
    receiver.wait()


def queues(stack):
    return {row["name"] for row in stack.ctl("list_queues", "name")}


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
