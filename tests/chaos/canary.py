# SPDX-License-Identifier: MIT
"""How late this machine lets somebody run who only wants to: noise that is no fault of the service."""

import collections
import threading
import time
from pathlib import Path

TICK_SECONDS = 0.01
SAMPLE_SECONDS = 0.2
KEPT = 20_000


class Canary:
    """
    A thread of the harness that wakes up again and again and sees how late it is; and, as the kernel counts
    it, for how long the threads of the processes that `watched()` names stood in line for a processor.
    """

    def __init__(self, watched=list):
        self.late = collections.deque(maxlen=KEPT)  # of (woke, seconds late), those over a tick
        self.waits = collections.deque(maxlen=KEPT)  # of (time, {pid: {thread: seconds}})
        self.watched = watched
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            begun = time.monotonic()
            if not self.waits or begun - self.waits[-1][0] >= SAMPLE_SECONDS:
                self.waits.append((begun, {pid: waited(pid) for pid in self.watched()}))
            time.sleep(TICK_SECONDS)
            woke = time.monotonic()
            if woke - begun > 2 * TICK_SECONDS:
                self.late.append((woke, woke - begun - TICK_SECONDS))

    def noise(self, begun, ended):
        """The longest delay in this time of the harness, and of each watched process that of the thread with most."""
        own = max((late for woke, late in list(self.late) if begun <= woke <= ended + late), default=0)
        return own + self.stood_in_line(begun, ended)

    def stood_in_line(self, begun, ended):
        waits = list(self.waits)
        before = next((wait for at, wait in reversed(waits) if at <= begun), None)
        after = next((wait for at, wait in waits if at >= ended), waits[-1][1] if waits else None)
        if before is None or after is None:
            return 0
        return sum(
            max((seconds - before[pid].get(thread, seconds) for thread, seconds in threads.items()), default=0)
            for pid, threads in after.items()
            if pid in before
        )

    def close(self):
        self.stopping.set()
        self.thread.join()


def waited(pid):
    """Seconds that each thread of a process has spent in line, ready to run."""
    found = {}
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            found[path.parent.name] = int(path.read_text().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            pass  # it ended meanwhile
    return found
