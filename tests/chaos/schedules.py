# SPDX-License-Identifier: MIT
"""Which faults are gone through, in which order, for how long."""

import random

from . import faults
from .cluster import disks_can_be_filled
from .lane import Schedule
from .places import DISTRIBUTED, EMBEDDED, FRONT, LINKS, MEMBERS, ROLES, lasting, one
from .points import is_passed, labels, points

LONG_SECONDS = 12  # over two heartbeats

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
    """Everything; of the random ones three in five on the distributed engines."""
    plan = [*processes(DISTRIBUTED), *peers(), *links(), *embedded()]
    # Five outages of the store in a row would keep an asynchronous write for the longest of its delays.
    random.Random(seed).shuffle(plan)
    plan += by_settings([*points(DISTRIBUTED), *points(EMBEDDED)])
    return plan + [
        random_schedule(n, seed, EMBEDDED if n % 5 < 2 else DISTRIBUTED) for n in range(1, count + 1)
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


