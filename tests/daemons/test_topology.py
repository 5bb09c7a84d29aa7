# SPDX-License-Identifier: MIT
"""The queues and exchanges as the broker sees them: docs/protocol.md, Topology."""

import pytest
from harness import wait_for

DELAYS = {"1s": 1000, "5s": 5000, "15s": 15000, "60s": 60000, "300s": 300000}
SAFE = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


def dead_letters_of(queue):
    return {"x-dead-letter-exchange": "sangraha.dlx", "x-dead-letter-routing-key": f"{queue}.dlq"}


def wanted(quorum):
    typed = {"x-queue-type": "quorum"} if quorum else {}
    safe = SAFE if quorum else {}
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "object_write_queue"}
    million = {"x-max-length": 1000000}
    return {
        "object_write_queue": typed | safe | million | dead_letters_of("object_write_queue"),
        "object_read_queue": million | dead_letters_of("object_read_queue"),
        "object_write_queue.dlq": typed | million,
        "object_read_queue.dlq": million,
        "object_response_queue": {
            "x-max-length": 100000,
            "x-overflow": "drop-head",
            "x-message-ttl": 86400000,
        },
    } | {
        f"object_write_queue.delay.{step}": typed | safe | back | {"x-message-ttl": ms}
        for step, ms in DELAYS.items()
    }


def arguments(row):
    """
    rabbitmqctl shows them as a list of name, type, value, or as an object. RabbitMQ 4 tells of a queue that
    nobody asked a type for that it is classic.
    """
    given = row["arguments"]
    named = given if isinstance(given, dict) else {name: value for name, _, value in given}
    return {name: value for name, value in named.items() if (name, value) != ("x-queue-type", "classic")}


def queues(stack):
    rows = stack.ctl("list_queues", "name", "durable", "auto_delete", "arguments")
    return {row["name"]: row for row in rows}


def check(stack, quorum):
    there = queues(stack)
    for name, expected in wanted(quorum).items():
        assert there[name]["durable"] and not there[name]["auto_delete"], name
        assert arguments(there[name]) == expected, name


def test_quorum_queues(stack):
    check(stack, quorum=True)


def test_classic_queues(empty_stack):
    empty_stack.start("receiver", queue_type="classic")
    check(empty_stack, quorum=False)


def test_a_requester_has_a_queue_of_its_own(stack):
    own = [row for name, row in queues(stack).items() if name.startswith("object_response_queue.")]
    assert own
    for row in own:
        assert row["durable"] and arguments(row)["x-expires"] == 600000


def test_exchanges(stack):
    rows = {row["name"]: row for row in stack.ctl("list_exchanges", "name", "type", "durable")}
    assert rows["sangraha.dlx"]["type"] == "direct" and rows["sangraha.dlx"]["durable"]
    assert rows["sangraha.events"]["type"] == "topic" and rows["sangraha.events"]["durable"]
    bindings = stack.ctl("list_bindings", "source_name", "destination_name", "routing_key")
    bound = {(row["destination_name"], row["routing_key"]) for row in bindings if row["source_name"] == "sangraha.dlx"}
    assert bound == {(f"{queue}.dlq",) * 2 for queue in ("object_write_queue", "object_read_queue")}


@pytest.mark.parametrize("role", ["receiver", "getter", "orchestrator"])
def test_any_program_may_come_first(empty_stack, role):
    daemon = empty_stack.daemon(role).start()
    wait_for(lambda: set(wanted(True)) <= set(queues(empty_stack)), what=daemon.stderr())
    check(empty_stack, quorum=True)
