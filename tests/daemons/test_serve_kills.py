# SPDX-License-Identifier: MIT
"""`kill -9` under load, again and again: what was acknowledged is there, and nothing else but whole objects."""

import os
import random
import threading
import time

import pytest
from harness import Daemon, program, wait_for
from ledger import LOST, Client, Ledger

KILLS = int(os.environ.get("SANGRAHA_TEST_KILLS") or 5)
WRITERS = 6
# Of half of the starts, on a machine that other tests keep busy; the distribution is printed.
START_SECONDS = 5
PATIENCE_SECONDS = 10

pytestmark = pytest.mark.skipif(not program("serve").exists(), reason="not built: sangraha")


def poll(begun, condition):
    """Seconds until condition() is true, for starts that take milliseconds."""
    while True:
        try:
            if condition():
                return time.monotonic() - begun
        except LOST:
            pass
        assert time.monotonic() - begun < 30
        time.sleep(0.002)


def start_and_measure(folder, ledger):
    """The daemon, and how long it took from exec to ready and to the first answer."""
    settings = {"SANGRAHA_DATA_DIR": str(folder), "SANGRAHA_LOG_LEVEL": "warn"}
    # So that bodies of all sizes are asynchronous when they are asked to be.
    settings["SANGRAHA_INLINE_LIMIT"] = "4M"
    daemon = Daemon("serve", settings)
    begun = time.monotonic()
    daemon.start()
    client = Client(daemon.url)
    first = []

    def write():
        ledger.put(Client(daemon.url), random.Random())
        first.append(time.monotonic() - begun)

    writer = threading.Thread(target=write)
    writer.start()
    ready = poll(begun, lambda: client.call("GET", "/health/ready")[0] == 200)
    writer.join()
    return daemon, ready, first[0]


def kill_under_load(daemon, ledger, rng):
    """At a random moment of the load: after some number of acknowledgements, or when they are slow."""
    threads = [
        threading.Thread(target=ledger.write, args=(daemon.url, rng.random())) for _ in range(WRITERS)
    ]
    begun, before, wanted = time.monotonic(), ledger.acknowledged, rng.randrange(1, 300)

    def enough():
        count = ledger.acknowledged - before
        return count >= wanted or ledger.wrong or (count and time.monotonic() - begun > PATIENCE_SECONDS)

    for each in threads:
        each.start()
    try:
        wait_for(enough, 60)
    finally:
        daemon.kill()
        for each in threads:
            each.join()


def told(name, seconds):
    ordered = sorted(seconds)
    middle, late = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.95)]
    return f"{name}: median {middle:.3f} s, 95 % {late:.3f} s, worst {ordered[-1]:.3f} s"


@pytest.mark.timeout(120 + 30 * KILLS)
def test_kills_lose_nothing(tmp_path):
    ledger, rng = Ledger(), random.Random(os.environ.get("SANGRAHA_TEST_SEED") or time.time())
    ready_seconds, first_seconds, count = [], [], 0
    daemon, *_ = start_and_measure(tmp_path / "data", ledger)
    try:
        for _ in range(KILLS):
            kill_under_load(daemon, ledger, rng)
            daemon, ready, first = start_and_measure(tmp_path / "data", ledger)
            ready_seconds.append(ready)
            first_seconds.append(first)
            count = ledger.check(daemon.url, rng)
        ledger.check_all(daemon.url)
        assert daemon.terminate() == 0
    finally:
        daemon.kill()
    print(f"{KILLS} kills, {ledger.acknowledged} acknowledged, {count} objects, {len(ledger.deleted)} deleted")
    print(told("exec to ready", ready_seconds), told("exec to the first 201", first_seconds), sep="\n")
    assert sorted(ready_seconds + first_seconds)[KILLS] < START_SECONDS
