# SPDX-License-Identifier: MIT
"""Fail-points: each one that a kind of deployment comes by, killed and stopped there."""

import re

from . import TESTS, faults
from .places import DISTRIBUTED, EMBEDDED, LINKS, lasting, one

EMBEDDED_ONLY = ("file.", "db.", "local.")
DISTRIBUTED_ONLY = ("amqp.", "pack.")

# Where the harness does not come by, and who else looks.
ELSEWHERE = {
    "reconcile.": "an operator's command; tests/role/reconcile_faults.c",
    "dlq.renewed": "an operator has looked ten times; tests/daemons/test_dlq.py",
    "dlq.replayed": "an operator's command; tests/daemons/test_dlq.py",
    "sweep.failure-removed": "what failed is remembered for 24 h; tests/role/sweep.c",
    "local.buried": "takes a message that was delivered 20 times; tests/queue/local.c",
    "late.taken-back": "a write that is overtaken by its delete between two steps, and again by its deadline; tests/role/late.c",
    "local.moved": "a retry that can be written while the store fails; tests/queue/local.c",
    "file.doubted": "a row that cannot be written after its file was; tests/store",
    "remains.object-removed": "the sweep overtakes who is about to read back; tests/role/verify.c",
    "put-begin.end-seen": "who aborts dies, nobody goes on, and somebody begins the same; tests/role/large.c",
    "stray.": "a PUT that comes after its upload was taken away; tests/role/strays.c",
    "put-commit.other-record-read": "an abort, or another run, that crosses the very end of a reading back; tests/role/ends.c",
    f"{EMBEDDED} settle.retry-confirmed": "queue and store share a disk, and fail together; tests/role/settle.c",
    f"{EMBEDDED} settle.retry-acknowledged": "as before",
    f"{EMBEDDED} settle.left-over-confirmed": "as before",
    f"{EMBEDDED} settle.dead-letter-confirmed": "nobody can send to the local queue what cannot be read",
    f"{EMBEDDED} call.sent-again": "who would answer stands still together with who asks",
}

# Uploads and tombstones end soon. Nothing may be repeated that late.
QUICK = {"SANGRAHA_TICKET_TIMEOUT": "4", "SANGRAHA_ASYNC_TIMEOUT": "4"}
QUICK_STEPS = {"put": 4, "put_keyed": 4, "put_spooled": 3, "put_streamed": 3, "put_slow": 6, "delete": 8, "read": 4}
SMALL = {"SANGRAHA_MEMORY_LIMIT": "4M"}
VERIFIED = {"SANGRAHA_VERIFY_LARGE": "on"}
# Of what is read back alone, too.
ENDS = ("remains.ended", "remains.place-removed")
LARGE = ("put-begin", "put-commit", "file", "put-abort", "upload", "remains", "verify", "erase")
LARGE_STEPS = {
    "put": 2,
    "put_spooled": 5,
    "put_streamed": 5,
    "put_in_one": 2,
    "put_large_twice": 5,
    "put_contested_large": 4,
    "put_crossed": 3,
    "put_refused_large": 4,
    "put_broken_off": 3,
    "delete": 4,
    "delete_large_twice": 5,
    "read": 4,
}

# Only these requests, with no requester besides.
ALONE = {
    "write.taken-back": {"put_crossed": 8},
    "late.looked": {"put": 6, "put_keyed": 4, "read": 2},
    "pack.answered": {"put_async": 8, "put": 2, "read": 1},
    "put-commit.end-seen": {"put_sized": 8, "read": 2},
    "remains.other-aborted": {"put_sized": 8, "read": 2},
    "write.failure-read": {"put_refused_async": 6, "put": 2},
    "erase.records-listed": {"put_sized": 6, "delete_large": 6},
    "erase.one-of-records-removed": {"put_sized": 6, "delete_large": 6},
    # Two begin one upload, and one of them comes second.
    "put-begin.other-aborted": {"put_sized_twice": 8, "read": 1},
    "put-begin.place-read": {"put_sized_twice": 8, "read": 1},
}

# Where somebody has to die before, so that who takes over comes by.
BEFORE = {
    "put-commit.end-seen": "settle.event-confirmed",
    "remains.other-aborted": "put-begin.upload-begun",
    "write.failure-read": "write.failure-recorded",
    "erase.records-listed": "erase.object-removed",
    "erase.one-of-records-removed": "erase.object-removed",
}

FRESH = ("file.bucket-made", "file.folder-made", "file.folder-synced", "local.marked")
SLOW = {"late.looked": 25}


def labels():
    """Every fail-point of the library."""
    found = set()
    for path in sorted((TESTS.parent / "lib").rglob("*.c")):
        found |= set(re.findall(r'SGH_FAIL_POINT\("([^"]+)"\)', path.read_text()))
    return sorted(found)


def points(kind):
    for label in labels():
        if is_passed(label, kind):
            for how in ("kill", "stop"):
                yield point(kind, label, how)


def is_passed(label, kind):
    others = EMBEDDED_ONLY if kind == DISTRIBUTED else DISTRIBUTED_ONLY
    names = (label, f"{label.split('.')[0]}.", f"{kind} {label}")
    return not label.startswith(others) and not any(name in ELSEWHERE for name in names)


def point(kind, label, how):
    """With what makes somebody come by: the right requests, settings, and another fault where it takes one."""
    fault = faults.FailPoint(label, how)
    made = one(kind, fault, at=0.1)
    made.group = label if kind == DISTRIBUTED else f"{label}, embedded"
    made.settings, made.steps = usual(label)
    # Nobody else is to come by instead where the company waits for somebody.
    made.steps, made.alone = (ALONE[label], True) if label in ALONE else (made.steps, False)
    made.faults += company(kind, label)
    made.fresh = label in FRESH
    fault.seconds = SLOW.get(label, 20 if made.settings == QUICK else fault.seconds)
    return made


def usual(label):
    """Settings and requests of all fail-points of an operation."""
    prefix = label.split(".")[0]
    if prefix in ("grave", "sweep", "put-extend") or label == "upload.extended":
        return QUICK, QUICK_STEPS
    if prefix == "verify" or label.endswith("-after-reading") or label in ENDS:
        return VERIFIED, LARGE_STEPS
    if label == "file.piece-written":
        # Where no memory is for whole parts they go to the disk as they come.
        return SMALL, {"put_sized_long": 6, "put": 2, "read": 2}
    return {}, LARGE_STEPS if prefix in LARGE else None


def company(kind, label):
    """Other faults, without which nobody comes by."""
    if label.startswith("sweep.") or label == "grave.upload-seen":
        # Uploads are open by then, and nobody ends them but the sweep.
        return [(6, faults.Kill("the fronts", "orchestrator", "serve"))]
    if label.startswith(("settle.retry", "settle.left-over")):
        # A copy is left only of what was under way at that moment, which may be nothing.
        times = (0.5, 5, 9.5) if "left-over" in label else (0.5,)
        links = LINKS["receiver->store"]
        return [(at, lasting(faults.Links("receiver->store", "reset", *links), 2)) for at in times]
    if label.startswith("pack."):
        # Nobody travels with others while the store is faster than all who ask it.
        return [(0, lasting(faults.Links("receiver->store", "latency", *LINKS["receiver->store"]), 8))]
    if label in ("local.recovered", "file.swept"):
        return [(0.5, faults.Kill("serve", "serve"))]
    if label == "call.sent-again":
        return [(0.2, lasting(faults.Stop("both receivers", "receiver"), 4))]
    if label == "late.looked":
        # Who takes over what somebody had in hand for longer than it may take.
        how, hold = ("kill", 6) if kind == EMBEDDED else ("stop", 17)
        return [(0.1, faults.FailPoint("put.stored", how, must=False, hold=hold))]
    if label in BEFORE:
        return [(0.1, faults.FailPoint(BEFORE[label], "kill", must=False))]
    return []
