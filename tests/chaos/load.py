# SPDX-License-Identifier: MIT
"""Clients that do everything at once, and repeat what was not answered as good clients do."""

import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, wait

from . import bodies
from .client import Client
from .cluster import SPOOL, TYPES
from .ledger import id_of_key

WORKERS = 8
PAUSE_SECONDS = 0.06  # on average, between two requests of one worker
REPEATS = 2
SLOW_SECONDS = 0.2  # after each piece of a slow body


class Load:
    """Workers that go on from start() to stop(); what they learn is in the ledger."""

    def __init__(self, url, ledger, rng, workers=WORKERS, steps=None, fresh=False):
        self.url, self.ledger, self.fresh = url, ledger, fresh
        self.stopping = threading.Event()
        self.pool = ThreadPoolExecutor(workers)
        self.workers = [Worker(self, rng.random(), steps) for _ in range(workers)]
        self.problems = []

    def start(self):
        for each in self.workers:
            each.thread.start()
        return self

    def stop(self):
        """End when all that was begun is over."""
        self.stopping.set()
        for each in self.workers:
            each.thread.join()
        self.pool.shutdown()
        if self.problems:
            raise self.problems[0]


class Worker:
    def __init__(self, load, seed, steps=None):
        self.load, self.ledger = load, load.ledger
        self.rng = random.Random(seed)
        self.client = Client(load.url, load.ledger, load.fresh)
        self.steps = [(getattr(self, name), weight) for name, weight in (steps or STEPS).items()]
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        steps, weights = zip(*self.steps)
        try:
            while not self.load.stopping.is_set():
                self.rng.choices(steps, weights)[0]()
                self.load.stopping.wait(self.rng.expovariate(1 / PAUSE_SECONDS))
        except Exception as problem:
            self.load.problems.append(problem)
        finally:
            self.client.close()

    # Writes

    def send(self, write, client=None):
        """And again, while nobody says what became of it and the key makes that safe."""
        client = client or self.client
        for _ in range(REPEATS + 1):
            client.send(write)
            if not write.is_open or not write.key or self.load.stopping.wait(self.rng.uniform(0.1, 0.6)):
                return

    def write(self, make, how, **more):
        self.send(self.ledger.plan(make(self.rng, how, **more)))

    def keyed_write(self, make, how="keyed"):
        key = f"key {uuid.uuid4()}"
        self.write(make, how, key=key, id=id_of_key(key))

    def put(self):
        self.write(bodies.small, "post")

    def put_keyed(self):
        self.keyed_write(bodies.small)

    def put_async(self):
        self.write(bodies.small, "async")

    def put_async_keyed(self):
        self.keyed_write(bodies.small, "async")

    def put_spooled(self):
        self.keyed_write(bodies.spooled)

    def put_streamed(self):
        self.keyed_write(bodies.streamed)

    def put_sized(self):
        self.keyed_write(bodies.sized)

    def put_sized_long(self):
        self.keyed_write(bodies.sized_long)

    def put_in_one(self):
        """Without a key, so that all behind its first part may go to the store as one."""
        self.write(bodies.sized_for_one, "post")

    def put_sized_twice(self):
        self.put_twice(bodies.sized)

    def put_refused(self):
        self.keyed_write(bodies.refused)

    def put_refused_async(self):
        self.write(bodies.refused, "async")

    def put_refused_large(self):
        self.keyed_write(bodies.refused_large)

    def put_broken_off(self):
        """A large one whose client goes away in the middle: nothing of it may stay."""
        write = self.ledger.plan(bodies.refused_large(self.rng, "post"))
        client = Client(self.load.url, self.ledger, self.load.fresh)
        try:
            pieces = iter(write.body)
            client.connection.putrequest("POST", "/v1/objects")
            client.connection.putheader("Content-Type", write.content_type)
            client.connection.putheader("Content-Length", str(write.size))
            client.connection.endheaders()
            for _ in range(2):
                client.connection.send(next(pieces, b""))
        except OSError:
            pass
        finally:
            client.close()

    def put_contested_large(self):
        self.put_contested(self.rng.choice([bodies.spooled, bodies.streamed]))

    def put_contested(self, make=None):
        """Different bodies under one key at the same time: one is taken."""
        key = f"key {uuid.uuid4()}"
        make = make or (bodies.spooled if self.rng.random() < 0.1 else bodies.document)
        kinds = [make, make, bodies.picture][: self.rng.choice([2, 2, 3])]
        writes = [each(self.rng, "contested", key=key, id=id_of_key(key)) for each in kinds]
        for each in writes:
            each.rivals = writes
            self.ledger.plan(each)
        self.together([(self.send, each) for each in writes])

    def put_twice(self, make=bodies.small):
        """One write, asked for by two at the same time."""
        key = f"key {uuid.uuid4()}"
        write = self.ledger.plan(make(self.rng, "keyed", key=key, id=id_of_key(key)))
        self.together([(self.send, write), (self.send, write)])

    def put_large_twice(self):
        self.put_twice(self.rng.choice([bodies.spooled, bodies.streamed]))

    def put_slow(self):
        """A large one whose client takes its time and, having no key, does not come back."""
        write = self.ledger.plan(bodies.streamed_for_long(self.rng, "post"))
        self.client.send(write, lambda: self.load.stopping.wait(SLOW_SECONDS))

    def put_crossed(self):
        """A write and its delete at the same time."""
        key = f"key {uuid.uuid4()}"
        make = bodies.spooled if self.rng.random() < 0.1 else bodies.document
        write = self.ledger.plan(make(self.rng, "crossed", key=key, id=id_of_key(key)))
        self.together([(self.send, write), (self.delete_soon, write)])

    def delete_soon(self, write, client):
        self.load.stopping.wait(self.rng.uniform(0, 0.05))
        client.delete(write)

    def together(self, acts):
        def run(act, write):
            client = Client(self.load.url, self.ledger, self.load.fresh)
            try:
                act(write, client)
            finally:
                client.close()

        for each in wait([self.load.pool.submit(run, *pair) for pair in acts]).done:
            each.result()

    def repeat(self):
        """A repeat of what was stored is the same success; of what was deleted, none."""
        write = self.ledger.pick(self.rng, lambda w: w.key and w.reference and w.body and not w.rivals)
        if write and write.how == "keyed":
            call = self.client.send(write)
            if call.status == 201 and call.headers.get("Idempotency-Replayed") != "true":
                self.ledger.wrong("duplicated", f"{write.reference} was stored again; {call.what}")

    def delete(self):
        write = self.ledger.pick(self.rng, lambda w: w.is_there and time.monotonic() - w.born > 0.5)
        if write and write.how in ("post", "keyed", "async", "amqp"):
            self.client.delete(write)

    def delete_large_twice(self):
        if write := self.pick_large():
            self.together([(self.delete_soon, write), (self.delete_soon, write)])

    def delete_large(self):
        if write := self.pick_large():
            self.client.delete(write)

    def pick_large(self):
        """One that was stored in parts, which in chunks only longer ones are."""
        return self.ledger.pick(
            self.rng, lambda w: w.is_there and w.how == "keyed" and w.size > SPOOL and not w.chunked
        )

    # Reads

    def read(self):
        self.read_one("GET")

    def head(self):
        self.read_one("HEAD")

    def stat(self):
        self.read_one("GET", "/metadata")

    def read_one(self, *how):
        write = self.ledger.pick(self.rng, lambda w: w.reference)
        if write:
            self.client.read(write, *how)

    def list(self):
        self.client.list(self.rng.choice(TYPES))

    def poll(self):
        write = self.ledger.pick(self.rng, lambda w: w.location)
        if write:
            self.client.poll(write)


STEPS = {
    "put": 18,
    "put_keyed": 12,
    "put_twice": 3,
    "put_contested": 4,
    "put_crossed": 4,
    "put_async": 6,
    "put_async_keyed": 2,
    "put_spooled": 4,
    "put_streamed": 2,
    "put_in_one": 0.5,
    "put_refused": 4,
    "put_refused_async": 2,
    "put_refused_large": 1,
    "put_broken_off": 0.5,
    "repeat": 6,
    "delete": 10,
    "read": 20,
    "head": 4,
    "stat": 5,
    "list": 2,
    "poll": 5,
}
