# SPDX-License-Identifier: MIT
"""`sangraha dlq`: requests that failed for good, over a real broker and in a folder."""

import datetime
import json
import os
import re
import signal
import sqlite3
import subprocess
import time
import uuid

import pika
import pytest
import requests
from harness import PASSED_ON, ROOT, Daemon, Rest, program, wait_for

WRITES = "object_write_queue"
DEAD = f"{WRITES}.dlq"
DEAD_QUEUE, WAITING_QUEUES = 3, "1, 5, 6, 7, 8, 9"  # numbers in the local queue's database

COMMANDS = ("ls", "show", "replay", "drop")

pytestmark = pytest.mark.skipif(not program("serve").exists(), reason="not built: sangraha")


class Dlq:
    """The command, on the broker of a stack or a folder."""

    def __init__(self, **settings):
        self.environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.environment |= {f"SANGRAHA_{name.upper()}": str(value) for name, value in settings.items()}

    def spawn(self, *arguments, **more):
        return subprocess.Popen(
            [program("serve"), "dlq", *arguments],
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __call__(self, *arguments, status=0, input=None):
        done = subprocess.run(
            [program("serve"), "dlq", *arguments],
            env=self.environment,
            capture_output=True,
            timeout=60,
            input=input,
        )
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done.stdout.decode(), done.stderr.decode()

    def list(self, *arguments):
        return [json.loads(line) for line in self("ls", "--json", *arguments)[0].splitlines()]


@pytest.fixture
def dlq(empty_stack):
    return Dlq(queue_url=empty_stack.broker_url)


def count(stack, queue=DEAD):
    """How many messages are ready there."""
    with stack.pika() as channel:
        return channel.queue_declare(queue, passive=True).method.message_count


def publish(stack, body, queue=WRITES, **more):
    headers = more.pop("headers", {})
    with stack.pika() as channel:
        channel.confirm_delivery()
        properties = pika.BasicProperties(delivery_mode=2, headers=headers, **more)
        channel.basic_publish("", queue, body, properties, mandatory=True)


def put(stack, body, seconds=60, queue=WRITES, **headers):
    """A put of nobody who waits; its id."""
    made = str(uuid.uuid4())
    told = {"object-type": "json", "deadline": int((time.time() + seconds) * 1000)} | headers
    publish(
        stack,
        body,
        queue,
        type="sangraha.put.v1",
        content_type="application/json",
        message_id=made,
        headers=told,
    )
    return made


def bury(stack, body=b"{}", **more):
    """A put that lies among the dead already; its id."""
    return put(stack, body, -60, DEAD, **({"dead-reason": "out of retries"} | more))


def declared(stack):
    """The queues are there, and no role that takes anything from them."""
    stack.daemon("orchestrator").start()
    wait_for(lambda: any(row["name"] == DEAD for row in stack.ctl("list_queues", "name")), 30)


# What ends there


def test_what_cannot_be_read(empty_stack, dlq):
    empty_stack.start("receiver")
    publish(empty_stack, b"\x00 poison \x1b[31m")
    wait_for(lambda: count(empty_stack) == 1)
    (letter,) = dlq.list()
    assert letter["id"].startswith("raw-") and len(letter["id"]) == 36
    assert letter["queue"] == "write" and letter["operation"] is None
    assert letter["reason"] == "unreadable" and letter["attempts"] == 1
    died = datetime.datetime.fromisoformat(letter["died"].replace("Z", "+00:00"))
    assert abs(time.time() - died.timestamp()) < 60
    assert "cannot be read" in letter["obstacle"]
    assert dlq("show", letter["id"], "--body", "-")[0].encode() == b"\x00 poison \x1b[31m"
    assert "\x1b" not in dlq("show", letter["id"])[0]
    _, err = dlq("replay", letter["id"], status=4)
    assert letter["id"] in err and "cannot be replayed" in err
    assert count(empty_stack) == 1
    assert dlq("drop", letter["id"])[0] == "1 dropped\n"
    assert count(empty_stack) == 0


def test_what_is_out_of_retries(own_stack, own_store):
    receiver, getter, orchestrator = own_stack.start("receiver", "getter", "orchestrator", heartbeat=20)
    rest, dlq = Rest(orchestrator.url), Dlq(queue_url=own_stack.broker_url)
    own_store.kill()
    made = put(own_stack, b'{"patient":true}', 4, filename="a.json")
    wait_for(lambda: count(own_stack) == 1, 40)
    (letter,) = dlq.list()
    assert letter["id"] == letter["object_id"] == letter["operation_id"] == made
    assert (letter["operation"], letter["object_type"], letter["filename"]) == ("put", "json", "a.json")
    assert letter["reason"] == "out of retries" and letter["error"] and letter["attempts"] >= 1
    assert letter["obstacle"] is None and letter["body"] == 16
    own_store.start()
    receiver.ready(), getter.ready()
    assert dlq("replay", made)[0] == "1 replayed\n"
    done = wait_for(lambda: finished(rest, made), 30)
    assert done["state"] == "done" and done["object"]["filename"] == "a.json"
    assert rest.content(f"json/{made}") == b'{"patient":true}'
    assert dlq.list() == []


def finished(rest, made):
    answer = rest.operation(f"/v1/operations/{made}")
    return answer.json() if answer.status_code == 200 and answer.json()["state"] == "done" else None


def gauge(daemon):
    """What it tells of the dead writes; None: nothing."""
    told = requests.get(f"{daemon.url}/metrics", timeout=10).text
    found = re.search(r'^sangraha_dlq_messages\{queue="object_write_queue.dlq"\} (\d+)$', told, re.MULTILINE)
    return int(found[1]) if found else None


def test_they_are_counted(own_stack, own_broker):
    """As long as the broker says how many there are."""
    orchestrator = own_stack.daemon("orchestrator").start()
    wait_for(lambda: gauge(orchestrator) == 0, 30)
    bury(own_stack)
    wait_for(lambda: gauge(orchestrator) == 1)
    own_broker.stop()
    wait_for(lambda: gauge(orchestrator) is None)
    own_broker.start()
    wait_for(lambda: gauge(orchestrator) == 1, 30)


def test_what_was_rejected(empty_stack, dlq):
    """More than this receiver holds: only the broker could keep it."""
    small = empty_stack.start("receiver", memory_limit="1M", inline_limit="8K")
    body = json.dumps(["x" * 6000000]).encode()
    made = put(empty_stack, body)
    wait_for(lambda: count(empty_stack) == 1, 30)
    (letter,) = dlq.list()
    assert (letter["id"], letter["reason"], letter["body"]) == (made, "rejected", len(body))
    assert letter["died"]
    small.terminate()
    large = {"memory_limit": "64M", "inline_limit": "8M"}
    getter, orchestrator = empty_stack.start("receiver", "getter", "orchestrator", **large)[1:]
    dlq("replay", "--all")
    rest = Rest(orchestrator.url)
    wait_for(lambda: finished(rest, made), 30)
    assert rest.content(f"json/{made}") == body
    assert count(empty_stack) == 0


# What is done to it


def test_a_repeat_is_the_same_success(empty_stack, dlq):
    receiver, getter, orchestrator = empty_stack.start("receiver", "getter", "orchestrator")
    rest = Rest(orchestrator.url)
    stored = rest.store(b'{"a":1}')
    headers = {"object-type": "json", "dead-reason": "out of retries"}
    publish(
        empty_stack, b'{"a":1}', DEAD, type="sangraha.put.v1", message_id=stored["id"], headers=headers,
        content_type="application/json",
    )
    dlq("replay", stored["id"])
    wait_for(lambda: count(empty_stack, WRITES) == 0)
    assert rest.stat(stored["reference"]).json() == stored
    assert count(empty_stack) == 0


def test_a_delete_is_replayed(empty_stack, dlq):
    _, _, orchestrator = empty_stack.start("receiver", "getter", "orchestrator")
    rest = Rest(orchestrator.url)
    stored = rest.store(b"{}")
    headers = {"object-id": stored["id"], "object-type": "json", "deadline": 1700000000000}
    publish(empty_stack, b"", DEAD, type="sangraha.delete.v1", message_id=str(uuid.uuid4()), headers=headers)
    dlq("replay", "--all")
    wait_for(lambda: rest.get(stored["reference"]).status_code == 404)


def test_letters_are_chosen_by_id(empty_stack, dlq):
    declared(empty_stack)
    ids = [bury(empty_stack) for _ in range(4)]
    assert [letter["id"] for letter in dlq.list()] == ids
    assert [line.split("\t")[0] for line in dlq("ls")[0].splitlines()] == ids
    assert dlq("drop", ids[1], ids[2])[0] == "2 dropped\n"
    assert [letter["id"] for letter in dlq.list()] == [ids[0], ids[3]]
    missing = str(uuid.uuid4())
    out, err = dlq("drop", missing, ids[0], status=3)
    assert out == "1 dropped\n" and f"{missing}: there is no such letter" in err
    listed = dlq("ls")[0]
    assert dlq("drop", "-", input=listed.encode())[0] == "1 dropped\n"
    assert count(empty_stack) == 0


def test_all_of_them(empty_stack, dlq):
    declared(empty_stack)
    ids = [bury(empty_stack, b"[%d]" % i) for i in range(30)]
    publish(empty_stack, b"", "object_read_queue.dlq")
    assert [letter["id"] for letter in dlq.list("--limit", "5", "--queue", "write")] == ids[:5]
    out, err = dlq("ls", "--limit", "5")
    assert len(out.splitlines()) == 5 and "26 more" in err
    assert [letter["queue"] for letter in dlq.list()] == ["write"] * 30 + ["read"]
    dlq("drop", "--all", status=2)
    done = [json.loads(line) for line in dlq("replay", "--all", "--json")[0].splitlines()]
    assert {each["id"] for each in done} == set(ids)
    assert all(each == {"id": each["id"], "queue": "write", "fate": "replayed"} for each in done)
    assert count(empty_stack) == 0 and count(empty_stack, WRITES) == 30
    assert dlq("drop", "--all", "--yes")[0] == "1 dropped\n"


def test_show_writes_a_body(empty_stack, dlq, tmp_path):
    declared(empty_stack)
    made = bury(empty_stack, b'{"body":1}', filename="\N{SNOWMAN}.json")
    file = tmp_path / "body"
    out, _ = dlq("show", made, "--body", file)
    assert file.read_bytes() == b'{"body":1}'
    assert "\N{SNOWMAN}.json" in out and "out of retries" in out and "possible" in out
    _, err = dlq("show", made, "--body", file, status=1)
    assert "--force" in err
    dlq("show", made, "--body", file, "--force")
    dlq("show", str(uuid.uuid4()), status=3)
    assert count(empty_stack) == 1


# What goes wrong


def test_a_kill_loses_nothing(empty_stack, dlq):
    """At any time: what was in hand is there again, what was replayed is there once at least."""
    declared(empty_stack)
    ids = {bury(empty_stack) for _ in range(40)}
    for wait in (0, 0.02, 0.05, 0.1, 0.15, 0.2):
        running = dlq.spawn("replay", "--all")
        try:
            running.wait(wait)
        except subprocess.TimeoutExpired:
            running.kill()
        running.communicate()
    wait_for(lambda: count(empty_stack) + count(empty_stack, WRITES) >= len(ids))
    found = {letter["id"] for letter in dlq.list()}
    with empty_stack.pika() as channel:
        for method, properties, _ in channel.consume(WRITES, inactivity_timeout=2):
            if not method:
                break
            found.add(properties.message_id)
            channel.basic_ack(method.delivery_tag)
    assert found == ids


def kill_at(label, dlq, folder, *arguments):
    """Run the command until it dies there."""
    (folder / label).write_text("kill")
    running = dlq.spawn(*arguments, SANGRAHA_FAIL_POINTS=str(folder))
    running.communicate(timeout=60)
    if running.returncode == 0 and (folder / label).exists():
        pytest.skip("built without fail-points")
    assert running.returncode == -signal.SIGKILL


def test_a_kill_between_copy_and_acknowledgement_leaves_both(empty_stack, dlq, tmp_path):
    declared(empty_stack)
    made = bury(empty_stack)
    kill_at("dlq.replayed", dlq, tmp_path, "replay", made)
    wait_for(lambda: count(empty_stack) == 1 and count(empty_stack, WRITES) == 1)
    assert [letter["id"] for letter in dlq.list()] == [made]


def test_what_is_looked_at_often_is_renewed(empty_stack, dlq, tmp_path):
    """RabbitMQ 4 would drop it after twenty times."""
    declared(empty_stack)
    ids = {bury(empty_stack) for _ in range(3)}
    for _ in range(10):
        assert {letter["id"] for letter in dlq.list()} == ids
    kill_at("dlq.renewed", dlq, tmp_path, "ls")
    wait_for(lambda: count(empty_stack) == 4)
    for _ in range(2):
        letters = dlq.list()
        assert {letter["id"] for letter in letters} == ids and len(letters) == 4
    with empty_stack.pika() as channel:
        got = [channel.basic_get(DEAD) for _ in range(4)]
    assert all(properties.headers.get("x-delivery-count", 0) < 5 for _, properties, _ in got)
    assert all(properties.headers["dead-reason"] == "out of retries" for _, properties, _ in got)


def test_without_a_broker():
    _, err = Dlq(queue_url="amqp://guest:guest@127.0.0.1:1/")("ls", "--timeout", "2", status=6)
    assert "127.0.0.1" in err


@pytest.mark.parametrize(
    "arguments",
    [[], ["look"], ["ls", "x"], ["show"], ["replay"], ["drop"], ["ls", "--limit", "0"], ["ls", "--queue", "x"]],
)
def test_usage(arguments):
    _, err = Dlq()(*arguments, status=2)
    assert "sangraha dlq" in err
    assert "usage" in Dlq()("--help")[0]


# What people are told

COMPLETION = ROOT / "deploy" / "completion"


def options_of(command):
    """What --help tells of, without the daemons' settings: long options, and letters."""
    told = Dlq()(command, "--help")[0]
    assert told.startswith(f"usage: sangraha dlq {command} [OPTION]...")
    return (
        set(re.findall(r"^  (?:-\w, |    )--([a-z-]+)", told, re.MULTILINE)),
        set(re.findall(r"^  -(\w), ", told, re.MULTILINE)),
    )


def complete(*words):
    """What bash offers for the last word."""
    script = f"""
        source {COMPLETION / "sangraha.bash"}
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _sangraha
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", "sangraha", *words],
        env={"PATH": f"{program('serve').parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_told_and_completed(command):
    manual = (ROOT / "docs" / "man" / "sangraha.1").read_text()
    told, letters = options_of(command)
    for name in told - {"help"}:
        assert f"Fl -{name}" in manual, name
        for shell in ("_sangraha", "sangraha.fish"):
            assert re.search(rf"--{name}\b|-l {name}\b", (COMPLETION / shell).read_text()), (shell, name)
    for letter in letters - {"h"}:
        assert f".It Fl {letter} ," in manual, letter
    offered = complete("dlq", command, "--")
    assert {f"--{name}" for name in told} <= set(offered)
    assert {"--queue-url", "--queue-url-file", "--data-dir", "--config"} <= set(offered)


def test_commands_are_completed():
    assert complete("dlq", "") == [*COMMANDS, "--help"]
    assert complete("dlq", "ls", "--queue", "") == ["write", "read"]


# In a folder


@pytest.fixture
def folder(tmp_path):
    """A folder with an asynchronous write in it that its `serve` could not do, dead."""
    data = tmp_path / "data"
    daemon = Daemon("serve", {"SANGRAHA_DATA_DIR": str(data), "SANGRAHA_STORE_URL": "s3+http://127.0.0.1:1"})
    daemon.start()
    rest = Rest(daemon.url)
    answer = wait_for(lambda: accepted(rest), 30)
    daemon.kill()
    with sqlite3.connect(data / "queue.db") as db:
        db.execute(f"UPDATE message SET queue = {DEAD_QUEUE}, due = 0 WHERE queue IN ({WAITING_QUEUES})")
    db.close()
    return data, answer.headers["Location"]


def accepted(rest):
    answer = rest.post(b'{"local":true}', headers={"Prefer": "respond-async"})
    return answer if answer.status_code == 202 else None


def test_a_folder(folder):
    data, location = folder
    dlq = Dlq(data_dir=data)
    daemon = Daemon("serve", {"SANGRAHA_DATA_DIR": str(data)}).start()
    wait_for(lambda: gauge(daemon) == 1)
    daemon.kill()
    for _ in range(13):
        (letter,) = dlq.list()
    assert letter["object_id"] in location and letter["operation"] == "put"
    assert dlq("show", letter["id"], "--body", "-")[0] == '{"local":true}'
    assert dlq("replay", "--all")[0] == "1 replayed\n"
    assert dlq.list() == []
    daemon = Daemon("serve", {"SANGRAHA_DATA_DIR": str(data)}).start()
    try:
        rest = Rest(daemon.url)
        wait_for(lambda: finished(rest, letter["id"]), 30)
        assert rest.content(f"json/{letter['id']}") == b'{"local":true}'
        _, err = dlq("ls", status=6)
        assert str(daemon.process.pid) in err and "stop it first" in err
    finally:
        daemon.kill()


def test_a_folder_that_is_not_there(tmp_path):
    _, err = Dlq()("ls", "--data-dir", tmp_path / "nothing", status=2)
    assert "nothing" in err
    assert not (tmp_path / "nothing").exists()


def test_a_folder_that_is_named_goes_before_the_environment(folder):
    data, _ = folder
    elsewhere = Dlq(queue_url="amqp://127.0.0.1:1", store_url="s3+http://127.0.0.1:1")
    assert len(elsewhere.list("--data-dir", data)) == 1


def test_dropping_in_a_folder(folder):
    data, _ = folder
    dlq = Dlq(queue_url=f"local:{data}")
    assert dlq("drop", "--all", "--yes")[0] == "1 dropped\n"
    assert dlq.list() == []
