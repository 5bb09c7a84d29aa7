# SPDX-License-Identifier: MIT
"""What is measured: each row has something alone and the whole path, taken in turns."""

from .loads import Load

LARGE = ("1M", "64M")  # is thrown away soon, to spare the disk
SIDES = ("alone", "path")
SLOW = 200  # milliseconds that a store takes for an answer, so that one receiver waits for it
CROWD = 768  # connections: more than four receivers can have under way to such a store


class Row:
    """One line of the table. `goal` and `aim` are of the ratio: at least, or for times at most."""

    quantity = "rate"
    beside = "MinIO"
    bucket = "alone"

    def __init__(self, name, load, goal=None, aim=None, **settings):
        self.name = name
        self.load = load
        self.goal, self.aim = goal, aim
        self.settings = settings
        self.pairs = []
        self.problem = None

    # What each kind of row does.

    def prepare(self, bench):
        """Start what is needed, and store what will be read."""
        bench.machinery.need_path(**self.settings)

    def measure(self, bench, side, load=None):
        do = bench.store if side == "alone" else bench.sangraha
        return do(load or self.load, self.ids(bench, side), self.bucket)

    def after_pair(self, bench):
        """Look at what was stored."""

    def finish(self, bench):
        """Throw away what no other row needs."""

    def ids(self, bench, side):
        """The list of what was stored on this side."""
        return bench.folder / f"{self.load.kind}-{self.load.size}-{side}.ids"

    def put(self, count):
        """How to store so many of this row's objects."""
        return Load("put", self.load.size, self.load.connections, self.load.kind, count)

    def fill(self, bench, count):
        """Have so many objects listed on either side."""
        for side in SIDES:
            missing = count - lines(self.ids(bench, side))
            if missing > 0:
                self.measure(bench, side, self.put(missing))

    # What the report asks.

    def value(self, sample):
        return sample.rate if self.quantity == "rate" else sample.median_ms

    @property
    def ratios(self):
        return [self.value(path) / self.value(alone) for alone, path in self.pairs]

    def reaches(self, ratio, limit):
        return ratio >= limit if self.quantity == "rate" else ratio <= limit


def lines(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


def wipe_large(bench, load):
    """What later rows read they store again."""
    if load.size in LARGE:
        bench.wipe()


class Write(Row):
    """Puts; what the whole path took is read back after each pair."""

    def after_pair(self, bench):
        ids = self.ids(bench, "path")
        self.measure(bench, "path", Load("get", self.load.size, 16, self.load.kind, lines(ids)))
        for side in SIDES:
            self.ids(bench, side).unlink()
        wipe_large(bench, self.load)


class Read(Row):
    """Gets of what was stored before, each object of it several times."""

    def __init__(self, *arguments, objects=1000, **more):
        super().__init__(*arguments, **more)
        self.objects = objects

    @property
    def among(self):
        """What tells the list that it reads from others."""
        return self.objects

    def ids(self, bench, side):
        of = f"{self.bucket}-{self.load.kind}-{self.load.size}-{self.among}"
        return bench.folder / f"read-{of}-{side}.ids"

    def prepare(self, bench):
        super().prepare(bench)
        self.fill(bench, self.objects)

    def finish(self, bench):
        wipe_large(bench, self.load)


class WriteLatency(Write):
    quantity = "latency"


class ReadLatency(Read):
    quantity = "latency"


class ReadAmongMany(Read):
    """With `objects` in the buckets of both sides, which no other rows use."""

    bucket = "many"
    among = "more-and-more"

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, bucket_prefix="many-", **more)


class WriteAmongMany(Write):
    bucket = "many"

    def __init__(self, name, load, objects, **more):
        self.others = ReadAmongMany(name, load, objects=objects, **more)
        super().__init__(name, load, **self.others.settings)

    def prepare(self, bench):
        self.others.prepare(bench)


class Stub(Row):
    """A receiver, or several, before a store that only answers; nothing can be read back there."""

    beside = "stub"
    receivers = 1
    delay = 0

    def prepare(self, bench):
        bench.machinery.need_stub(self.delay, **self.settings)

    def measure(self, bench, side, load=None):
        bench.machinery.have_receivers(self.receivers)
        return super().measure(bench, side, load)

    def after_pair(self, bench):
        for side in SIDES:
            self.ids(bench, side).unlink()


class Receivers(Stub):
    """Several beside one."""

    beside = "1 receiver"

    def __init__(self, name, load, receivers, delay=0, **settings):
        super().__init__(name, load, **settings)
        self.receivers = receivers
        self.delay = delay

    def measure(self, bench, side, load=None):
        bench.machinery.have_receivers(1 if side == "alone" else self.receivers)
        return bench.sangraha(load or self.load, self.ids(bench, side), self.bucket)


class Embedded(Row):
    """`sangraha serve` beside a plain way to keep objects in a folder, with as many threads."""

    def __init__(self, name, floor, load):
        super().__init__(name, load)
        self.beside = floor

    def prepare(self, bench):
        bench.machinery.need_embedded()
        if self.load.operation == "get":
            for side in SIDES:
                self.measure(bench, side, Load("put", seconds=1))

    def measure(self, bench, side, load=None):
        load = load or self.load
        if side == "path":
            return bench.sangraha(load, self.ids(bench, side), self.bucket)
        return bench.floor(self.beside, load)

    def ids(self, bench, side):
        return bench.folder / f"embedded-{side}.ids"

    def after_pair(self, bench):
        ids = self.ids(bench, "path")
        if self.load.operation == "put":
            self.measure(bench, "path", Load("get", connections=16, count=lines(ids)))
            ids.unlink()


def plan(options):
    """All rows in their order; those that need the same programs stand together."""
    timed = {"seconds": options.seconds, "warm_up": options.warm_up}
    few, many = options.large, options.large * 4

    def load(operation, size="4K", connections=16):
        return Load(operation, size, connections, **timed)

    def large(operation, count, **more):
        return Load(operation, "64M", 4, count=count, **more)

    uncached = {"cache_ttl": 0}
    yield Write("write 4 KB, 16 connections", load("put"), 0.85, 1.3, **uncached)
    yield Write("write 4 KB, 64 connections", load("put", connections=64), 0.85, 1.3, **uncached)
    yield WriteLatency("write 4 KB, 1 connection, quorum", load("put", connections=1), 2.2, 1.8, **uncached)
    yield ReadLatency("read 4 KB, 1 connection", load("get", connections=1), **uncached)
    yield Read("read 4 KB, not cached", load("get"), 0.5, 0.7, **uncached)
    yield Write("write 100 KB", load("put", "100K"), 0.65, 1.0, **uncached)
    yield Read("read 100 KB, not cached", load("get", "100K"), objects=500, **uncached)
    yield Write("write 1 MB", load("put", "1M"), 0.7, 0.9, **uncached)
    yield Read("read 1 MB, not cached", load("get", "1M"), objects=100, **uncached)
    yield Write("write 64 MB, JSON", large("put", few), 0.5, 0.7, **uncached)
    yield Write("write 64 MB, PDF", large("put", few, kind="pdf"), 0.6, 0.8, **uncached)
    yield Read("read 64 MB, proxied", large("get", many), 0.5, objects=8, **uncached)
    redirected = {"objects": 8, "large_reads": "redirect"}
    follow = large("get", many, follow=True)
    yield Read("read 64 MB, redirected", follow, 0.95, **redirected, **uncached)
    yield Read("read 64 MB, redirected, ticket kept", follow, 0.95, **redirected)
    yield Read("read 4 KB, cached", load("get"), 5, 8)
    yield Read("read 100 KB, cached", load("get", "100K"), objects=50)
    yield WriteLatency(
        "write 4 KB, 1 connection, classic",
        load("put", connections=1),
        1.8,
        1.5,
        queue_type="classic",
        **uncached,
    )
    for power in range(3, options.powers + 1):
        among = {"objects": 10**power, **uncached}
        yield WriteAmongMany(f"write 4 KB among 10^{power}", Load("put", count=1000), **among)
        yield ReadAmongMany(f"read 4 KB among 10^{power}", Load("get", count=3000), **among)
    yield Stub("write 4 KB, stub, 1 receiver", load("put", connections=64), **uncached)
    for count in (2, 4):
        name = f"write 4 KB, stub, {count} receivers"
        yield Receivers(name, load("put", connections=64), count, **uncached)
    for count in (2, 4):
        name = f"write 4 KB, stub, slow, {count} receivers"
        yield Receivers(name, load("put", connections=CROWD), count, delay=SLOW, **uncached)
    for operation, word in (("put", "write"), ("get", "read")):
        for connections in (1, 16):
            for floor in ("sqlite", "files"):
                name = f"embedded: {word} 4 KB, {connections} connection{'s' * (connections > 1)}"
                yield Embedded(f"{name}, {floor}", floor, load(operation, connections=connections))
