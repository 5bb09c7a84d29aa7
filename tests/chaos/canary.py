# SPDX-License-Identifier: MIT
"""How late this machine lets a thread of the harness run that only wants to wake up."""

import collections
import threading
import time

TICK_SECONDS = 0.01


class Canary:
    """What it saw is what an answer may be late for no fault of the service."""

    def __init__(self):
        self.late = collections.deque(maxlen=200_000)  # of (woke, seconds late), those over a tick
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            begun = time.monotonic()
            time.sleep(TICK_SECONDS)
            woke = time.monotonic()
            if woke - begun > 2 * TICK_SECONDS:
                self.late.append((woke, woke - begun - TICK_SECONDS))

    def noise(self, begun, ended):
        """The longest delay in this time."""
        return max((late for woke, late in list(self.late) if begun <= woke <= ended + late), default=0)

    def worst(self):
        return max((late for _, late in list(self.late)), default=0)

    def close(self):
        self.stopping.set()
        self.thread.join()
