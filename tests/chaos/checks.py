# SPDX-License-Identifier: MIT
"""What must be true when a fault is over."""

import json
import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

from harness import wait_for
from large import open_uploads

from .client import UNSETTLED, Client
from .cluster import REQUEST_SECONDS, TICKET_SECONDS, TYPES
from .ledger import told
from .requesters import Clerk, Requester

GRACE_SECONDS = 0.25
SETTLE_SECONDS = 25
STAGE_SECONDS = 60  # for all writes together
ASYNC_SECONDS = 400  # a write that met a fault in each of its tries comes back after 1, 5, 15, 60 and 300 s
DELETED_SECONDS = 2 * REQUEST_SECONDS
SWEEP_SECONDS = 3 * TICKET_SECONDS + 15
THREADS = 6
OLDER = 30  # writes of before that are read once more


def each(lane, act, writes):
    """act(client, write) for all of them, several at a time."""
    writes = list(writes)
    if not writes:
        return

    def share(mine):
        client = Client(lane.deployment.url, lane.ledger)
        try:
            for write in mine:
                act(client, write)
        finally:
            client.close()

    lane.patience = time.monotonic() + STAGE_SECONDS
    pool = ThreadPoolExecutor(THREADS)
    try:
        list(pool.map(share, [writes[n::THREADS] for n in range(THREADS)]))
    finally:
        pool.shutdown(wait=False)  # who was interrupted waits for nobody


def until(lane, act, is_done, write, what):
    """Repeat until it is done: nothing is wrong any more, so it must get there."""
    deadline = min(time.monotonic() + SETTLE_SECONDS, lane.patience)
    while not is_done():
        call = act(write)
        if time.monotonic() > deadline:
            lane.ledger.wrong("late", f"{what} of {write.known or write.digest} is not settled: {told(call)}")
            return
        if not is_done():
            time.sleep(0.1)


# Unanswered requests


def settle(lane, writes):
    """Good clients repeat what was not answered, until they know."""
    ledger = lane.ledger

    def write_again(client, write):
        until(lane, client.send, lambda: not write.is_open, write, "a write")

    def delete_again(client, write):
        until(lane, client.delete, lambda: not write.delete_open, write, "a delete")

    each(lane, write_again, [w for w in writes if w.is_open and w.key])
    settle_amqp(lane, writes)
    each(lane, delete_again, [w for w in writes if w.delete_open and not w.delete_id])
    settle_contests(lane, writes)
    with ledger.lock:
        for write in writes:
            if write.is_open and not write.key:
                write.is_open = False  # whose client does not know, and never will


def settle_amqp(lane, writes):
    mine = [w for w in writes if w.how == "amqp" and w.is_open or w.delete_open and w.delete_id]
    if not mine:
        return
    lane.patience = time.monotonic() + STAGE_SECONDS
    requester = Requester(lane.deployment.broker_url)
    clerk = Clerk(requester, lane.ledger)
    try:
        for write in mine:
            if write.is_open:
                until(lane, lambda w: clerk.put(w, resend=1) and None, lambda: not write.is_open, write, "an AMQP put")
            if write.delete_open:
                until(lane, lambda w: clerk.delete(w) and None, lambda: not write.delete_open, write, "an AMQP delete")
    finally:
        requester.close()


def settle_contests(lane, writes):
    """Of several bodies under one key one is stored, and the others are told."""
    contests = {id(w.rivals): w.rivals for w in writes if w.rivals}
    rivals = [w for contest in contests.values() for w in contest]
    for write in rivals:
        write.refused = None

    def ask(client, write):
        until(lane, client.send, lambda: write.refused or write.reference and not write.is_open, write, "a contest")

    each(lane, ask, rivals)
    for contest in contests.values():
        winners = [w.reference for w in contest if w.reference and w.refused != 409]
        if len(winners) != 1:
            lane.ledger.wrong("duplicated", f"{len(winners)} winners of {contest[0].key}: {winners}")


def poll(lane, writes):
    """Asynchronous writes come to their ends, some later than others."""
    each(lane, lambda client, write: client.poll(write), [w for w in writes if w.location])


def await_asynchronous(lane):
    def pending():
        waiting = lane.ledger.all(lambda w: w.location)
        poll(lane, waiting)
        return [w for w in waiting if w.location]

    deadline = time.monotonic() + ASYNC_SECONDS
    while (left := pending()) and time.monotonic() < deadline:
        time.sleep(0.5)
    for write in left:
        lane.ledger.wrong("late", f"{write.location} has been pending for {time.monotonic() - write.promised:.0f} s")
        write.location = None


# Objects


def read_back(lane, writes):
    """Every acknowledged write has its bytes, and every deleted one is gone."""

    def read(client, write):
        how = ("GET", "/metadata") if random.random() < 0.2 else ("GET", "")

        def again(write):
            last.append(client.read(write, *how))
            return last[-1]

        last = []
        until(lane, again, lambda: last and last[-1].status not in (0, None, *UNSETTLED), write, "a read")

    older = lane.ledger.all(lambda w: w.reference)
    older = random.sample(older, min(OLDER, len(older)))
    each(lane, read, {w for w in [*writes, *older] if w.reference})


def objects(lane):
    """References of all objects in the store, whoever put them there, with their digests where known."""
    deployment = lane.deployment
    if deployment.kind == "embedded":
        yield from listed(lane)
        return
    s3 = deployment.boto3()
    for type in TYPES:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=deployment.prefix + type):
            for entry in page.get("Contents", []):
                yield f"{type}/{entry['Key']}", None


def listed(lane):
    """The same as the service lists them."""
    client = Client(lane.deployment.url, lane.ledger)
    try:
        path = "/v1/objects?limit=1000"
        while path:
            call = wait_for(lambda: ok(client.ask("list", "GET", path)), SETTLE_SECONDS, path)
            page = json.loads(call.body)
            for entry in page["objects"]:
                yield entry["reference"], entry["sha256"]
            cursor = page.get("next_cursor")
            path = cursor and f"/v1/objects?limit=1000&cursor={cursor}"
    finally:
        client.close()


def ok(call):
    return call if call.ok else None


def digest_in_store(lane, reference):
    """What the metadata or, of a large object, its record tells; None for what is no object."""
    deployment, (type, object_id) = lane.deployment, reference.split("/")
    s3 = deployment.boto3()
    try:
        metadata = s3.head_object(Bucket=deployment.prefix + type, Key=object_id)["Metadata"]
        if "sangraha-sha256" in metadata:
            return metadata["sangraha-sha256"]
        key = f"object/{type}/{object_id}/{metadata['sangraha-record']}"
        body = s3.get_object(Bucket=deployment.prefix + "meta", Key=key)["Body"].read()
        return json.loads(body).get("sha256")
    except s3.exceptions.ClientError:
        return None


def look_into_store(lane):
    """Nothing lies there that nobody wrote, that was refused, that is there twice, or was deleted."""
    ledger, types = lane.ledger, {}
    returned = []
    for reference, digest in objects(lane):
        type, object_id = reference.split("/")
        if types.setdefault(object_id, type) != type:
            ledger.wrong("duplicated", f"{object_id} is {types[object_id]} and {type}")
        write = ledger.by_reference.get(reference)
        if not write or write.reference != reference:
            digest = digest or digest_in_store(lane, reference)
            write = judge_stranger(lane, reference, digest)
        if write and write.deleted:
            returned.append((reference, write))
    for reference, write in returned:
        # A late run of the write may have put it there, and takes it away again.
        if not gone(lane, reference):
            ledger.wrong("deleted", f"{reference} lies in the store after its delete")


def judge_stranger(lane, reference, digest):
    """An object that was not acknowledged under this reference."""
    ledger = lane.ledger
    write = ledger.by_digest.get(digest) if digest else None
    if digest and not write:
        ledger.wrong("visible", f"{reference} with {digest} was never written")
    elif write and not write.is_valid:
        ledger.wrong("visible", f"{reference} was refused")
    elif write and {write.reference, write.found} - {None, reference}:
        ledger.wrong("duplicated", f"{reference} and {write.reference or write.found} are one write")
    elif write:
        write.found = reference
        ledger.by_reference[reference] = write
    return write


def gone(lane, reference):
    deadline = time.monotonic() + DELETED_SECONDS
    while time.monotonic() < deadline:
        if lane.deployment.kind == "embedded" or digest_in_store(lane, reference) is None:
            return True
        time.sleep(0.2)
    return False


def compare_lists(lane):
    """The service lists everything that is there, and nothing else."""
    found = dict(listed(lane))
    for write in lane.ledger.all(lambda w: w.is_there):
        if found.get(write.reference) != write.digest:
            lane.ledger.wrong("lost", f"{write.reference} is listed with {found.get(write.reference)}")
    for reference, digest in found.items():
        judge_stranger(lane, reference, digest)


# Time


def late_answers(lane, calls, front_faults):
    """No answer comes later than its deadline and 250 ms, but for what was not the service's doing."""
    for call in calls:
        ended = call.answered or call.given_up
        if ended is None or ended - call.sent <= REQUEST_SECONDS + GRACE_SECONDS:
            continue
        if any(since <= ended and call.begun <= to for since, to in front_faults):
            continue
        over = ended - call.sent - call.on_its_way - REQUEST_SECONDS - stood_still(lane, call, ended)
        over -= lane.canary.noise(call.sent, ended)
        if over > GRACE_SECONDS:
            lane.ledger.wrong("late", f"{over:.2f} s after its deadline: {told(call)}")


def failed_requests(lane, calls):
    """Where nothing is broken, nobody is told that something is."""
    for call in calls:
        if call.status in (0, None, *UNSETTLED):
            lane.ledger.wrong("failed", told(call))


def stood_still(lane, call, ended):
    fronts = lane.deployment.fronts()
    front = call.port and lane.deployment.front_of(call.port)
    return max(each.paused_within(call.begun, ended) for each in ([front] if front else fronts))


# What must not stay


def nothing_staged(lane):
    """Whatever was broken off is gone after the sweep."""
    try:
        wait_for(lambda: not staged(lane), SWEEP_SECONDS)
    except AssertionError:
        lane.ledger.wrong("staged", f"after the sweep: {', '.join(sorted(staged(lane))[:10])}")


def staged(lane):
    deployment = lane.deployment
    if deployment.kind == "embedded":
        return staged_here(deployment)
    s3 = deployment.boto3()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=deployment.prefix + "meta", Prefix="upload/")
    records = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return records + [str(path) for path in open_uploads(deployment.store)]


def staged_here(deployment):
    found = []
    for path in deployment.data.rglob("store.db"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as db:
            found += [f"upload {row}" for row in db.execute("select * from upload")]
            found += [f"part {row}" for row in db.execute("select * from part")]
            found += [row[0] for row in db.execute("select key from object where key like 'upload/%'")]
        db.close()
    return found


def queues_empty(lane):
    """Everything was answered, and each dead letter is one that was meant to be."""
    if lane.deployment.kind == "embedded":
        return

    def left():
        rows = lane.deployment.ctl("list_queues", "name", "messages")
        return {row["name"]: row["messages"] for row in rows if row["messages"] and is_work(row["name"])}

    try:
        wait_for(lambda: not left(), ASYNC_SECONDS)
    except AssertionError:
        lane.ledger.wrong("queues", f"not empty: {left()}")
    dead_letters(lane)


def is_work(name):
    """What was left over of a write that nobody waits for any more lies in the last of the delays for 5 minutes."""
    delayed = ".delay." in name and not name.endswith(".300s")
    return name in ("object_write_queue", "object_read_queue") or delayed


def dead_letters(lane):
    with lane.deployment.pika() as channel:
        for queue in ("object_write_queue.dlq", "object_read_queue.dlq"):
            while True:
                method, properties, body = channel.basic_get(queue, auto_ack=True)
                if not method:
                    break
                if body in lane.ledger.poison:
                    continue
                lane.ledger.wrong("dead letter", f"{properties.message_id} {properties.type} {properties.headers}")

