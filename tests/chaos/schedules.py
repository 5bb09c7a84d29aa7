# SPDX-License-Identifier: MIT
"""Which faults are gone through, in which order, for how long."""

import random
import re

from . import TESTS, faults
from .cluster import disks_can_be_filled
from .lane import Schedule

ROLES = ("receiver", "getter", "orchestrator")
MEMBERS = [f"{role}-{number}" for role in ROLES for number in (1, 2)]
BROKER_LINKS = {role: [f"{role}-{n}-broker" for n in (1, 2)] for role in ROLES}
STORE_LINKS = {role: [f"{role}-{n}-store" for n in (1, 2)] for role in ("receiver", "getter")}
FRONT = "client-orchestrator"
LINKS = (
    {f"{role}->broker": links for role, links in BROKER_LINKS.items()}
    | {f"{role}->store": links for role, links in STORE_LINKS.items()}
    | {"orchestrator->store": ["tickets-store"], "client->orchestrator": [FRONT], "requester->broker": ["requester-broker"]}
)  # fmt: skip
LONG_SECONDS = 12  # over two heartbeats
DISTRIBUTED, EMBEDDED = "distributed", "embedded"


def labels():
    """Every fail-point of the library."""
    found = set()
    for path in sorted((TESTS.parent / "lib").rglob("*.c")):
        found |= set(re.findall(r'SGH_FAIL_POINT\("([^"]+)"\)', path.read_text()))
    return sorted(found)


def one(kind, fault, at=0.3, **more):
    name = fault.name if kind == DISTRIBUTED else f"{fault.name}, embedded"
    return Schedule(name, kind, [(at, fault)], **more)


def lasting(fault, seconds):
    fault.seconds = seconds
    fault.name += f" {seconds} s"
    return fault


# One fault after another


def processes(kind):
    names = MEMBERS if kind == DISTRIBUTED else ["serve"]
    for name in names:
        yield one(kind, faults.Kill(name, name))
        yield one(kind, faults.Stop(name, name))
    if kind == EMBEDDED:
        yield one(kind, lasting(faults.Stop("serve", "serve"), 7))
        return
    for role in ROLES:
        yield one(kind, faults.Kill(f"both {role}s", role))
        yield one(kind, faults.Stop(f"both {role}s", role))
    yield one(kind, lasting(faults.Kill("both receivers", "receiver"), 7))
    yield one(kind, lasting(faults.Stop("receiver-1", "receiver-1"), LONG_SECONDS))
    yield one(kind, lasting(faults.Stop("both receivers", "receiver"), LONG_SECONDS))
    yield one(kind, faults.Kill("everything", *ROLES))
    for name in MEMBERS:
        yield one(kind, faults.Drain(name), strict=True, seconds=3)


def peers():
    for which in ("broker", "store"):
        for how in ("restart", "kill", "stop"):
            yield one(DISTRIBUTED, faults.Server(which, how))
    yield one(DISTRIBUTED, lasting(faults.Server("store", "stop"), LONG_SECONDS))
    yield one(DISTRIBUTED, lasting(faults.Server("broker", "stop"), LONG_SECONDS))
    yield one(DISTRIBUTED, faults.Alarm("memory"))
    yield one(DISTRIBUTED, faults.Alarm("disk"))
    yield one(DISTRIBUTED, lasting(faults.Alarm("memory"), LONG_SECONDS))
    if disks_can_be_filled():
        yield one(DISTRIBUTED, faults.DiskFull())


def links():
    for name, members in LINKS.items():
        for kind in faults.LINK_KINDS:
            yield one(DISTRIBUTED, faults.Links(name, kind, *members))
    for name, members in LINKS.items():
        yield one(DISTRIBUTED, lasting(faults.Links(name, "swallow", *members), LONG_SECONDS))
    for name in ("receiver->broker", "receiver->store", "getter->store", "orchestrator->broker"):
        for kind in ("swallow", "cut"):
            yield one(DISTRIBUTED, faults.Links(f"one {name}", kind, LINKS[name][0]))


def embedded():
    yield from processes(EMBEDDED)
    for kind in faults.LINK_KINDS:
        yield one(EMBEDDED, faults.Links("client->serve", kind, FRONT))
    if disks_can_be_filled():
        yield one(EMBEDDED, faults.DiskFull())


# Fail-points: each one that a kind of deployment comes by, killed and stopped there

EMBEDDED_ONLY = ("file.", "db.", "local.")
DISTRIBUTED_ONLY = ("amqp.",)

# Where the harness does not come by, and who else looks.
ELSEWHERE = {
    "reconcile.": "an operator's command; tests/role/reconcile_faults.c",
    "dlq.": "an operator's command; tests/daemons",
    "dlq.renewed": "an operator has looked ten times; tests/daemons/test_dlq.py",
    "dlq.replayed": "an operator's command; tests/daemons/test_dlq.py",
    "sweep.failure-removed": "what failed is remembered for 24 h; tests/role/sweep.c",
    "local.buried": "takes a message that was delivered 20 times; tests/queue/local.c",
    "late.taken-back": "a write that is overtaken by its delete between two steps, and again by its deadline; tests/role/late.c",
    "local.moved": "a retry that can be written while the store fails; tests/queue/local.c",
    "file.doubted": "a row that cannot be written after its file was; tests/store",
    "remains.object-removed": "the sweep overtakes who is about to read back; tests/role/verify.c",
    f"{EMBEDDED} remains.record-read": "an abort that comes after its own commit; tests/role/sweep.c",
    f"{EMBEDDED} settle.retry-confirmed": "queue and store share a disk, and fail together; tests/role/settle.c",
    f"{EMBEDDED} settle.retry-acknowledged": "as before",
    f"{EMBEDDED} settle.left-over-confirmed": "as before",
    f"{EMBEDDED} settle.dead-letter-confirmed": "nobody can send to the local queue what cannot be read",
    f"{EMBEDDED} call.sent-again": "who would answer stands still together with who asks",
}

# Uploads and tombstones end soon. Nothing may be repeated that late.
QUICK = {"SANGRAHA_TICKET_TIMEOUT": "4", "SANGRAHA_ASYNC_TIMEOUT": "4"}
QUICK_STEPS = {"put": 4, "put_keyed": 4, "put_spooled": 3, "put_streamed": 3, "put_slow": 6, "delete": 8, "read": 4}
SIZED_STEPS = {"put_sized": 8, "read": 2}
SMALL = {"SANGRAHA_MEMORY_LIMIT": "4M"}
VERIFIED = {"SANGRAHA_VERIFY_LARGE": "on"}
LARGE_STEPS = {
    "put": 2,
    "put_spooled": 5,
    "put_streamed": 5,
    "put_large_twice": 5,
    "put_contested_large": 4,
    "put_crossed": 3,
    "put_refused_large": 4,
    "put_broken_off": 3,
    "delete": 4,
    "delete_large_twice": 5,
    "read": 4,
}


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
    prefix = label.split(".")[0]
    if prefix in ("put-begin", "put-commit", "file", "put-abort", "upload", "remains", "verify", "erase"):
        made.steps = LARGE_STEPS
    if prefix in ("grave", "sweep", "put-extend") or label == "upload.extended":
        made.settings, made.steps = QUICK, QUICK_STEPS
        fault.seconds = 20
    if prefix == "sweep" or prefix == "grave" and label.endswith("upload-seen"):
        # Uploads are open by then, and nobody ends them but the sweep.
        made.faults.append((6, faults.Kill("the fronts", "orchestrator", "serve")))
    if prefix == "verify" or label.endswith("-after-reading"):
        made.settings = VERIFIED
    if label == "file.piece-written":
        # Where no memory is for whole parts they go to the disk as they come.
        made.settings, made.steps = SMALL, {"put_sized": 6, "put": 2, "read": 2}
    if label == "put-commit.end-seen":
        # All events are of uploads in parts, and who publishes one has removed the upload's record.
        made.steps, made.alone = SIZED_STEPS, True
        made.faults.append((0.1, faults.FailPoint("settle.event-confirmed", "kill", must=False)))
    if label in ("erase.records-listed", "erase.one-of-records-removed"):
        # Who deletes again no longer sees what it was.
        made.steps, made.alone = {"put_sized": 6, "delete_large": 6}, True
        made.faults.append((0.1, faults.FailPoint("erase.object-removed", "kill", must=False)))
    if label.startswith(("settle.retry", "settle.left-over")):
        made.faults.append((0.5, brief_trouble()))
    if label == "late.looked":
        # Who takes over what somebody had in hand for longer than it may take.
        how, hold = ("kill", 6) if kind == EMBEDDED else ("stop", 17)
        made.faults.append((0.1, faults.FailPoint("put.stored", how, must=False, hold=hold)))
        fault.seconds = 25
    if label == "call.sent-again":
        made.faults.append((0.2, lasting(faults.Stop("both receivers", "receiver"), 4)))
    if label in ("put-begin.other-aborted", "put-begin.place-read"):
        # Two begin one upload, and one of them comes second.
        made.steps, made.alone = {"put_sized_twice": 8, "read": 1}, True
    if label == "remains.other-aborted":
        # Whoever began an upload forgets it, and another one is begun.
        made.steps, made.alone = SIZED_STEPS, True
        made.faults.append((0.1, faults.FailPoint("put-begin.upload-begun", "kill", must=False)))
    if label in ("local.recovered", "file.swept"):
        made.faults.append((0.5, faults.Kill("serve", "serve")))
    made.fresh = label in ("file.bucket-made", "file.folder-made", "file.folder-synced", "local.marked")
    return made


def brief_trouble():
    trouble = faults.Links("receiver->store", "reset", *LINKS["receiver->store"])
    trouble.seconds = 2
    return trouble


# Random ones


def random_schedule(number, seed, kind):
    rng = random.Random(f"{seed} {number}")
    pick = random_distributed if kind == DISTRIBUTED else random_embedded
    chosen = [(rng.uniform(0, 2.5), pick(rng)) for _ in range(rng.choice([1, 2, 2, 3]))]
    name = " + ".join(fault.name for _, fault in chosen)
    return Schedule(f"random {number}: {name}", kind, chosen, group=f"random, {kind}")


def random_distributed(rng):
    names = rng.choices([[rng.choice(MEMBERS)], [rng.choice(ROLES)], rng.sample(MEMBERS, 2)], [6, 1, 2])[0]
    text = " and ".join(names)
    makers = [
        (lambda: faults.Kill(text, *names), 6),
        (lambda: faults.Stop(text, *names), 5),
        (lambda: random_link(rng), 8),
        (lambda: random_point(rng, DISTRIBUTED), 4 if labels() else 0),
        (lambda: faults.Server("store", rng.choice(["kill", "restart", "stop"])), 2),
        (lambda: faults.Server("broker", rng.choice(["kill", "restart", "stop", "stop"])), 0.7),
        (lambda: faults.Alarm(rng.choice(["memory", "disk"])), 0.4),
        (faults.DiskFull, 0.6 if disks_can_be_filled() else 0),
    ]
    fault = rng.choices(*zip(*makers, strict=True))[0]()
    if not isinstance(fault, faults.FailPoint):
        fault.seconds = rng.uniform(0.2, 4)
    return fault


def random_link(rng):
    name, members = rng.choice(list(LINKS.items()))
    if rng.random() < 0.5:
        members = [rng.choice(members)]
    return faults.Links(name, rng.choice(list(faults.LINK_KINDS)), *members)


def random_point(rng, kind):
    label = rng.choice([each for each in labels() if is_passed(each, kind)])
    fault = faults.FailPoint(label, rng.choice(["kill", "kill", "stop"]), must=False)
    fault.seconds = 3
    return fault


def random_embedded(rng):
    makers = [
        (lambda: faults.Kill("serve", "serve"), 6),
        (lambda: faults.Stop("serve", "serve"), 2),
        (lambda: random_point(rng, EMBEDDED), 5 if labels() else 0),
        (lambda: faults.Links("client->serve", rng.choice(list(faults.LINK_KINDS)), FRONT), 2),
        (faults.DiskFull, 1 if disks_can_be_filled() else 0),
    ]
    fault = rng.choices(*zip(*makers, strict=True))[0]()
    if not isinstance(fault, faults.FailPoint):
        fault.seconds = rng.uniform(0.1, 3)
    return fault


# Plans


def full(seed, count):
    """Everything; of the random ones two in three on the distributed engines."""
    plan = [*processes(DISTRIBUTED), *peers(), *links(), *embedded()]
    plan += by_settings([*points(DISTRIBUTED), *points(EMBEDDED)])
    return plan + [
        random_schedule(n, seed, EMBEDDED if n % 3 == 0 else DISTRIBUTED) for n in range(1, count + 1)
    ]


def by_settings(plan):
    """Those of the same settings together, as changing them takes a restart."""
    return sorted(plan, key=lambda each: sorted(each.settings.items()))


def short(seed, count):
    """What fits into three minutes on two busy processors."""
    rng = random.Random(seed)
    plan = [
        one(DISTRIBUTED, faults.Kill("receiver-1", "receiver-1")),
        one(DISTRIBUTED, faults.Kill("getter-1", "getter-1")),
        one(DISTRIBUTED, faults.Kill("orchestrator-1", "orchestrator-1")),
        one(DISTRIBUTED, faults.Stop("receiver-1", "receiver-1")),
        one(DISTRIBUTED, faults.Server("store", "kill")),
        one(DISTRIBUTED, faults.Links("receiver->broker", "swallow", *LINKS["receiver->broker"])),
        one(DISTRIBUTED, faults.Links("receiver->store", "reset", *LINKS["receiver->store"])),
        one(EMBEDDED, faults.Kill("serve", "serve")),
        one(EMBEDDED, faults.Stop("serve", "serve")),
    ]
    if disks_can_be_filled():
        plan.append(one(EMBEDDED, faults.DiskFull()))
    for kind, wanted in ((DISTRIBUTED, 3), (EMBEDDED, 5)):
        some = list(points(kind))
        plan += rng.sample(some, min(wanted, len(some)))
    plan += [random_schedule(n, seed, EMBEDDED if n % 2 else DISTRIBUTED) for n in range(1, count + 1)]
    return [*plan, one(DISTRIBUTED, faults.Server("broker", "kill"))]  # which takes longest


def matching(plan, pattern):
    """As `./dev test -k` has it: any of the words between "or"."""
    if not pattern:
        return plan
    words = [word.strip().lower() for word in pattern.split(" or ")]
    return [each for each in plan if any(word in f"{each.kind} {each.name}".lower() for word in words)]


