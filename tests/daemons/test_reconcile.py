# SPDX-License-Identifier: MIT
"""`sangraha reconcile`: what does not belong together is told, and taken away on request; nothing that lives is."""

import contextlib
import datetime
import json
import os
import random
import subprocess
import threading
import time
import uuid

import pika
import pytest
import requests
from harness import PASSED_ON, Daemon, Rest, program, wait_for
from large import Document, left_of
from ledger import Client, Ledger

OK, USAGE, UNAVAILABLE, FOUND = 0, 2, 6, 9
MIB = 1 << 20
# Everything is old enough, and the second look comes soon.
NOW = ("--min-age", "1ms", "--wait", "100ms")
LOAD_SECONDS = 15

pytestmark = pytest.mark.skipif(not program("serve").exists(), reason="not built: sangraha")


class Reconcile:
    """The command, on a stack or a folder."""

    def __init__(self, environment):
        self.environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | environment

    def spawn(self, *arguments, **more):
        return subprocess.Popen(
            [program("serve"), "reconcile", *arguments],
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments, status=OK):
        process = self.spawn(*arguments)
        out, err = process.communicate(timeout=60)
        assert process.returncode == status, (process.returncode, out, err)
        return out, err

    def found(self, *arguments, status=OK):
        """What it finds as (kind, action, place), and its last line."""
        *lines, counts = map(json.loads, self("--json", *NOW, *arguments, status=status)[0].splitlines())
        return [(line["found"], line["action"], line["place"]) for line in lines], counts


class Planted:
    """A stack with objects that live, and what is wrong with others put beside them."""

    def __init__(self, stack, **settings):
        self.stack = stack
        self.settings = settings
        stack.start("receiver", "getter", "orchestrator", **settings)
        self.rest = Rest(stack.daemons[-1].url)
        self.run = Reconcile(stack.environment)
        self.s3 = stack.boto3()
        self.small = self.rest.store(b'{"a": 1}')["reference"]
        self.large = self.rest.store(Document(6 * MIB).bytes(), "application/json")["reference"]

    def put(self, bucket, key, body=b"{}", **metadata):
        named = {name.replace("_", "-"): value for name, value in metadata.items()}
        self.s3.put_object(
            Bucket=self.stack.prefix + bucket,
            Key=key,
            Body=body,
            ContentType="application/json",
            Metadata=named,
        )

    def record(self, key, **members):
        self.put("meta", key, json.dumps({"sangraha": 1, "type": "json"} | members).encode())

    def incomplete(self):
        """An object whose record is missing; its id."""
        made = str(uuid.uuid4())
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        self.put(
            "json",
            made,
            sangraha="1",
            sangraha_created=now.replace("+00:00", "Z"),
            sangraha_record=str(uuid.uuid4()),
        )
        return made

    def lives(self):
        for reference in (self.small, self.large):
            assert self.rest.get(reference).status_code == 200


def delete(planted, reference):
    """A request that nobody answers."""
    with contextlib.suppress(requests.RequestException):
        planted.rest.delete(reference)


def died(daemon, seconds=20):
    try:
        return daemon.process.wait(seconds) == -9
    except subprocess.TimeoutExpired:
        return False


@pytest.fixture
def planted(empty_stack):
    return Planted(empty_stack)


def test_what_lives_is_clean(planted):
    deleted = planted.rest.store(b'{"a": 2}')["reference"]
    planted.rest.delete(deleted)
    planted.rest.post(b'{"a": 3}', headers={"Idempotency-Key": "k"})
    planted.rest.post(b"{", "application/json")
    before = left_of(planted.stack)
    found, counts = planted.run.found("--repair")
    assert found == []
    assert counts["objects"] == 3 and counts["records"] == len(before) - 3
    assert left_of(planted.stack) == before
    assert "nothing found" in planted.run(*NOW)[0]


def test_a_dry_run_changes_nothing_and_a_repair_does_what_it_told(planted):
    incomplete, unused, note = planted.incomplete(), str(uuid.uuid4()), "what/others put here"
    record = f"object/json/{unused}/{uuid.uuid4()}"
    planted.record(record, record=record.split("/")[-1], created_ms=1)
    planted.put("json", note)
    planted.put("meta", note)
    before = left_of(planted.stack)
    wanted = {
        ("object-incomplete", "would", f"json/{incomplete}"),
        ("record-unused", "would", f"meta/{record}"),
        ("object-foreign", "left", f"json/{note}"),
        ("record-foreign", "left", f"meta/{note}"),
    }
    found, _ = planted.run.found(status=FOUND)
    assert set(found) == wanted and len(found) == 4
    assert left_of(planted.stack) == before
    found, _ = planted.run.found("--repair", status=FOUND)
    assert set(found) == {(kind, action.replace("would", "did"), place) for kind, action, place in wanted}
    gone = {f"json/{incomplete}", f"meta/{record}"}
    assert left_of(planted.stack) == sorted(set(before) - gone)
    out, _ = planted.run(*NOW, status=FOUND)
    assert out.count("left ") == 2 and "2 to be left" in out
    planted.lives()


def test_what_is_young_is_let_be(planted):
    planted.incomplete()
    assert "nothing found" in planted.run()[0]


def test_a_delete_that_died(planted, tmp_path):
    """Its receiver dies between tombstone and removal, its requester too, and its message is lost."""
    point = tmp_path / "delete.tombstone-written"
    point.write_text("kill")
    victim, _, orchestrator = planted.stack.daemons
    victim.terminate()
    victim = planted.stack.start("receiver", fail_points=tmp_path)
    asked = threading.Thread(target=delete, args=(planted, planted.small))
    asked.start()
    try:
        if not died(victim):
            pytest.skip("built without fail-points")
    finally:
        orchestrator.kill()
        asked.join()
    with planted.stack.pika() as channel:
        wait_for(lambda: channel.queue_purge("object_write_queue").method.message_count)
    assert planted.run.found("--repair")[0] == [("object-deleted", "did", planted.small)]
    assert planted.run.found("--repair")[0] == []
    planted.stack.start("receiver")
    rest = Rest(planted.stack.start("orchestrator").url)
    assert rest.get(planted.small).status_code == 404
    assert rest.get(planted.large).status_code == 200
    assert f"meta/deleted/{planted.small}" in left_of(planted.stack)


def test_a_repair_that_is_killed_is_finished_by_the_receivers(planted, tmp_path):
    incomplete = planted.incomplete()
    (tmp_path / "reconcile.upload-recorded").write_text("kill")
    process = planted.run.spawn("--repair", *NOW, SANGRAHA_FAIL_POINTS=str(tmp_path))
    process.communicate(timeout=60)
    if process.returncode == OK:
        pytest.skip("built without fail-points")
    assert process.returncode == -9
    assert f"meta/upload/{incomplete}" in left_of(planted.stack)
    # One that sweeps each second.
    planted.stack.start("receiver", ticket_timeout=2)
    wait_for(lambda: f"json/{incomplete}" not in left_of(planted.stack), 40, "swept")
    wait_for(lambda: f"meta/upload/{incomplete}" not in left_of(planted.stack))
    assert planted.run.found()[0] == []
    planted.lives()


def test_several_at_once(planted):
    for _ in range(5):
        planted.incomplete()
    processes = [planted.run.spawn("--repair", "--json", *NOW) for _ in range(3)]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == OK, (out, err)
    assert planted.run.found()[0] == []
    planted.lives()


def test_under_load_nothing_that_lives_is_touched(planted):
    """Writes of all kinds, deletes among them, and repairs without a pause that let nothing be young."""
    ledger, stop = Ledger(), threading.Event()
    url = planted.stack.daemons[-1].url

    def large(seed):
        rest = Rest(url)
        while not stop.is_set():
            body = Document(6 * MIB, seed=seed).bytes()
            reference = rest.store(body, "application/json")["reference"]
            assert rest.content(reference) == body
            seed += 2
            if seed % 4 < 2:
                assert rest.delete(reference).status_code == 204

    failures = []

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except BaseException as failure:  # to be told by the main thread
            failures.append(failure)

    writers = [threading.Thread(target=guarded, args=(large, seed)) for seed in (0, 1)]

    def small():
        rng, client = random.Random(), Client(url)
        while not stop.is_set():
            for work in (ledger.put, ledger.put_with_key, ledger.delete):
                work(client, rng)

    writers += [threading.Thread(target=guarded, args=(small,)) for _ in range(3)]
    for each in writers:
        each.start()
    end, runs = time.monotonic() + LOAD_SECONDS, 0
    try:
        while time.monotonic() < end or runs < 3:
            planted.run("--repair", "--min-age", "1ms", "--wait", "1ms")
            runs += 1
    finally:
        stop.set()
        for each in writers:
            each.join()
    assert not failures, failures[0]
    ledger.check_all(url)
    assert planted.run.found()[0] == []


def test_it_stops_and_goes_on(planted):
    incomplete = planted.incomplete()
    out, err = planted.run("--within", "1ms", *NOW, "--json", status=UNAVAILABLE)
    counts = json.loads(out.splitlines()[-1])
    assert counts["from"].startswith("meta/") and "not enough" in err
    out, _ = planted.run("--within", "1ms", *NOW, status=UNAVAILABLE)
    assert "nothing found so far\nnot all of it; go on with --from 'meta/" in out
    found, _ = planted.run.found("--from", "json/", status=FOUND)
    assert found == [("object-incomplete", "would", f"json/{incomplete}")]
    assert planted.run.found("--from", "image/")[0] == []
    assert "no such place" in planted.run("--from", "nowhere", status=USAGE)[1]


def test_dead_letters(planted):
    reference, made = planted.small, str(uuid.uuid4())

    def bury(headers, body, **more):
        with planted.stack.pika() as channel:
            told = {"dead-reason": "out of retries", "dead-time": "2026-01-02T03:04:05.678Z"} | headers
            properties = pika.BasicProperties(delivery_mode=2, headers=told, **more)
            channel.basic_publish("", "object_write_queue.dlq", body, properties)

    kind, stored = reference.split("/")
    bury({"object-id": stored, "object-type": kind}, b'{"a": 1}', type="sangraha.put.v1", message_id=stored)
    bury({"object-id": made}, b'{"a": 1}', type="sangraha.put.v1", message_id=made)
    place = f"object_write_queue.dlq/{stored}"
    assert planted.run.found("--no-letters")[0] == []
    assert planted.run.found(status=FOUND)[0] == [("letter-done", "would", place)]
    assert planted.run.found("--repair")[0] == [("letter-done", "did", place)]
    found, counts = planted.run.found()
    assert found == [] and counts["letters"] == 1


def test_a_broker_that_is_away(planted):
    planted.run.environment["SANGRAHA_QUEUE_URL"] = "amqp://guest:guest@127.0.0.1:1/"
    _, err = planted.run(status=UNAVAILABLE)
    assert err.count("\n") == 1
    assert "nothing found" in planted.run("--no-letters")[0]


def test_in_a_folder(tmp_path):
    folder = tmp_path / "data"
    run = Reconcile({"SANGRAHA_DATA_DIR": str(folder)})
    assert "No such file" in run(status=USAGE)[1]
    daemon = Daemon("serve", {"SANGRAHA_DATA_DIR": str(folder)}).start().ready()
    try:
        rest = Rest(daemon.url)
        kept = rest.store(b'{"a": 1}')["reference"]
        rest.store(Document(6 * MIB).bytes(), "application/json")
        rest.delete(rest.store(b'{"a": 2}')["reference"])
        run(status=UNAVAILABLE)
        assert daemon.terminate() == 0
        found, counts = run.found("--repair")
        assert found == [] and counts["objects"] == 2
        daemon.start().ready()
        assert Rest(daemon.url).get(kept).status_code == 200
        assert daemon.terminate() == 0
    finally:
        daemon.kill()
