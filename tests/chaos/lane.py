# SPDX-License-Identifier: MIT
"""One deployment, and the schedules that it goes through, one after another."""

import contextlib
import dataclasses
import random
import re
import threading
import time
import traceback

from . import bodies, checks
from .canary import Canary
from .client import UNSETTLED, Client
from .cluster import Distributed, Embedded
from .ledger import Ledger
from .load import Load
from .requesters import Requesters

WARM_SECONDS = 0.4
AFTER_SECONDS = 0.6
PROBE_SECONDS = 0.1
PROBES = 200
RECOVERY_SECONDS = 2.0
ID = re.compile(r"c-[0-9a-f]{12}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
KINDS = {each.kind: each for each in (Distributed, Embedded)}


@dataclasses.dataclass
class Schedule:
    """Faults, each with the time at which it begins, in seconds of the load."""

    name: str
    kind: str
    faults: list  # of (seconds, fault)
    group: str = ""
    steps: dict = None  # another mix of requests than the usual one
    strict: bool = False  # no request may fail
    seconds: float = 0  # of load at least
    settings: dict = dataclasses.field(default_factory=dict)  # other than the usual ones
    alone: bool = False  # nobody else is on the queues
    fresh: bool = False  # the first fault is there when the first folder is made


@dataclasses.dataclass
class Row:
    """What became of one schedule, or of the last look at everything."""

    name: str
    group: str
    requests: int = 0
    acknowledged: int = 0
    recovery: float = None
    violations: list = dataclasses.field(default_factory=list)
    tails: dict = dataclasses.field(default_factory=dict)
    seconds: float = 0
    skipped: str = None

    def count(self, *kinds):
        return sum(each.kind in kinds for each in self.violations)


class Lane:
    def __init__(self, kind, folder, seed):
        self.rng = random.Random(seed)
        self.deployment = KINDS[kind](folder)
        self.canary = Canary(self.deployment.on_the_way)
        self.ledger = Ledger()
        self.mark = 0
        self.patience = 0  # until when checks repeat what does not succeed
        self.is_broken = False  # the harness failed, and nobody knows what is as it should be

    def close(self):
        self.canary.close()
        self.deployment.close()

    # A schedule

    def run(self, schedule):
        """The row of it. The deployment is whole again afterwards, whatever was found."""
        begun, row = time.monotonic(), Row(schedule.name, schedule.group or schedule.name)
        front_faults = []
        self.deployment.configure(schedule.settings)
        if schedule.fresh:
            schedule.faults[0][1].begin(self.deployment)
            self.deployment.wipe()
        load = self.start_load(schedule)
        try:
            with self.stopping(load):
                time.sleep(WARM_SECONDS)
                self.go_through(schedule, front_faults)
                row.recovery = self.recover(schedule)
                time.sleep(max(AFTER_SECONDS, begun + schedule.seconds - time.monotonic()))
            self.check()
        except Exception:
            self.fail()
        finally:
            self.deployment.heal()
        for _, fault in schedule.faults:
            if problem := fault.explain():
                self.ledger.wrong("not reached" if problem == "not reached" else "fault", f"{fault.name}: {problem}")
        return self.close_row(row, begun, front_faults, schedule.strict)

    def close_row(self, row, begun, front_faults=(), strict=False):
        calls, row.requests, row.acknowledged, violations = self.ledger.take()
        checks.late_answers(self, calls, front_faults)
        if strict:
            checks.failed_requests(self, calls)
        row.violations = violations + self.ledger.take()[3]
        row.seconds = time.monotonic() - begun
        if row.violations:
            names = set(ID.findall(" ".join(each.text for each in row.violations)))
            row.tails = {"about these": self.deployment.lines_about(names)} | self.deployment.tails()
        return row

    def fail(self):
        self.is_broken = True
        self.ledger.wrong("harness", traceback.format_exc())

    def start_load(self, schedule):
        load = [
            Load(self.deployment.url, self.ledger, self.rng, steps=schedule.steps, fresh=schedule.strict)
        ]
        if self.deployment.kind == "distributed" and not schedule.alone:
            load.append(Requesters(self.deployment.requester_url, self.ledger, self.rng))
        return [each.start() for each in load]

    @contextlib.contextmanager
    def stopping(self, load):
        try:
            yield
        finally:
            self.deployment.heal()
            for each in load:
                each.stop()

    def go_through(self, schedule, front_faults):
        """Begin and end each fault at its time."""
        start = time.monotonic()
        to_begin = sorted(schedule.faults, key=lambda each: each[0])
        running = []  # of (fault, since)
        while to_begin or running:
            now = time.monotonic()
            while to_begin and now - start >= to_begin[0][0]:
                fault = to_begin.pop(0)[1]
                since = time.monotonic()
                fault.begin(self.deployment)
                running.append((fault, since))
            for pair in list(running):
                fault, since = pair
                if fault.is_over() or time.monotonic() - since >= fault.seconds:
                    fault.end(self.deployment)
                    running.remove(pair)
                    if fault.front:
                        front_faults.append((since, time.monotonic()))
            time.sleep(0.01)

    # Recovery

    def recover(self, schedule):
        """Seconds until a write and a read succeed, of clients that come now."""
        begun, probes, threads = time.monotonic(), {"write": [], "read": []}, []
        stop = threading.Event()
        known = self.ledger.pick(self.rng, lambda w: w.is_there and w.how in ("post", "amqp"))

        def probe():
            client = Client(self.deployment.url, self.ledger)
            write = self.ledger.plan(bodies.document(random, "post"))
            if client.send(write).status == 201:
                probes["write"].append(time.monotonic())
            read = client.read(known) if known else None
            if read is None or read.status not in (0, None, *UNSETTLED):
                probes["read"].append(time.monotonic())
            client.close()

        while not all(probes.values()) and len(threads) < PROBES:
            threads.append(threading.Thread(target=probe, daemon=True))
            threads[-1].start()
            stop.wait(PROBE_SECONDS)
        for each in threads:
            each.join()
        if not all(probes.values()):
            self.ledger.wrong("recovery", f"no success within {time.monotonic() - begun:.1f} s")
            return None
        first = max(min(times) for times in probes.values())
        noise = self.canary.noise(begun, first)
        if first - begun - noise > RECOVERY_SECONDS:
            slow = ", ".join(f"{what} {min(times) - begun:.2f} s" for what, times in probes.items())
            self.ledger.wrong("recovery", f"first success after {slow} (noise {noise:.2f} s)")
        return first - begun

    # Checks

    def check(self):
        """After a schedule, what it wrote and a sample of the rest."""
        with self.ledger.lock:
            recent = self.ledger.writes[self.mark :]
            self.mark = len(self.ledger.writes)
        checks.settle(self, self.ledger.all(lambda w: w.is_open or w.delete_open) + contested(recent))
        checks.poll(self, recent)
        checks.read_back(self, recent)
        checks.look_into_store(self)
        self.ledger.forget_bodies()

    def finish(self, name):
        """After a group of schedules, everything; then it begins with nothing again."""
        begun, row = time.monotonic(), Row(name, "everything, after every group")
        try:
            checks.await_asynchronous(self)
            self.check()
            checks.compare_lists(self)
            checks.nothing_staged(self)
            checks.queues_empty(self)
            checks.look_into_store(self)
            self.deployment.wipe()
            self.deployment.ready()
        except Exception:
            self.fail()
        row = self.close_row(row, begun)
        self.ledger, self.mark = Ledger(), 0
        return row


def contested(writes):
    return [each for each in writes if each.rivals]

