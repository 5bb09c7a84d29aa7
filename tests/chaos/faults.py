# SPDX-License-Identifier: MIT
"""What goes wrong, and how it ends. A fault is begun and ended on the thread of its lane."""

import signal
import subprocess
import time

from harness import wait_for

LINK_KINDS = {
    "latency": {"seconds": 0.3},
    "stall": {},
    "swallow": {},
    "swallow up": {"ways": "up"},
    "swallow down": {"ways": "down"},
    "trickle": {},
    "cut": {},
    "reset": {},
}


# How long who came by a fail-point is away.
HOLD_SECONDS = {"kill": 0.3, "stop": 2.5}
# What a busy machine may take for a process to die that was told to.
DEATH_SECONDS = 20


class Fault:
    """`seconds` is how long it lasts. `front` says that clients may not reach the service meanwhile."""

    seconds = 1.5
    front = False

    def __init__(self, name):
        self.name = name

    def begin(self, deployment):
        raise NotImplementedError

    def end(self, deployment):
        """Whatever begin() did is over when this returns."""
        deployment.heal()

    def is_over(self):
        """Whether it need not last for all of its time."""
        return False

    def explain(self):
        """What is wrong with how it went, or None."""
        return None


class Kill(Fault):
    """SIGKILL of some members at once."""

    def __init__(self, name, *members):
        super().__init__(f"kill {name}")
        self.members = members

    def begin(self, deployment):
        for each in chosen(deployment, self.members):
            each.kill()


class Stop(Fault):
    """SIGSTOP and, later, SIGCONT."""

    seconds = 3

    def __init__(self, name, *members):
        super().__init__(f"stop {name}")
        self.members = members

    def begin(self, deployment):
        for each in chosen(deployment, self.members):
            if each.is_alive():
                each.pause()


def chosen(deployment, names):
    return [each for each in deployment.members if each.name in names or each.role in names]


class Drain(Fault):
    """SIGTERM under load, and another one in its place."""

    seconds = 0

    def __init__(self, name):
        super().__init__(f"drain {name}")
        self.member = name
        self.status = 0

    def begin(self, deployment):
        (self.process,) = chosen(deployment, [self.member])
        self.process.process.send_signal(signal.SIGTERM)
        try:
            self.status = self.process.process.wait(20)
        except subprocess.TimeoutExpired:
            self.status = "none: it did not end"
            self.process.kill()

    def explain(self):
        return f"exit status {self.status}" if self.status else None


class FailPoint(Fault):
    """Whoever comes by a label next dies or stops there."""

    seconds = 10  # at most, until somebody comes by
    patience = 10  # the same where somebody must

    def __init__(self, label, how, must=True, hold=None):
        super().__init__(f"{label}: {how}")
        self.label, self.how, self.must = label, how, must
        self.hold = hold or HOLD_SECONDS[how]
        self.seconds = (FailPoint.patience if must else FailPoint.seconds) + self.hold
        self.hit_at = self.armed_at = self.deployment = None
        self.is_hit = False

    def begin(self, deployment):
        if self.deployment is deployment:
            return  # it was there before the load
        self.deployment = deployment
        self.path = deployment.points / self.label
        self.hit_path = deployment.points / f"{self.label}.hit"
        self.hit_path.unlink(missing_ok=True)
        self.armed_at = time.monotonic()
        armed = deployment.points / f"{self.label}.new"
        armed.write_text(self.how)
        armed.rename(self.path)

    def is_over(self):
        if not self.is_hit and self.has_struck():
            self.note_hit()
        return self.is_hit and time.monotonic() - self.hit_at >= self.hold

    def note_hit(self):
        self.is_hit, self.hit_at = True, time.monotonic()
        age = time.time() - self.hit_path.stat().st_ctime
        for each in self.deployment.members:
            if each.is_alive() and each.is_paused() and each.stopped_at is None:
                each.stopped_at = self.hit_at - age

    def has_struck(self):
        """
        Whether who came by is dead, or stands still, or did. A busy machine takes its time for that, and who was
        found alive by heal() and died afterwards would be started again by nobody.
        """
        try:
            pid = self.hit_path.read_text().split()[1]
        except (FileNotFoundError, IndexError):
            return False
        return not any(str(each.process.pid) == pid and self.spares(each) for each in self.deployment.members)

    def spares(self, member):
        if self.how == "kill":
            return member.is_alive()
        return member.is_alive() and not member.is_paused() and not member.went_on(self.armed_at)

    def end(self, deployment):
        self.path.unlink(missing_ok=True)
        # The last moment counts, too.
        if not self.is_hit and self.hit_path.exists():
            wait_for(self.has_struck, DEATH_SECONDS, f"who came by {self.label} has met it")
            self.note_hit()
        self.hit_path.unlink(missing_ok=True)
        super().end(deployment)

    def explain(self):
        return None if self.is_hit or not self.must else "not reached"


class Links(Fault):
    """One kind of fault on some links, in the words of proxy.py."""

    seconds = 4

    def __init__(self, name, kind, *links):
        super().__init__(f"{name} {kind}")
        self.links = links
        self.kind, self.more = kind.split()[0], LINK_KINDS[kind]

    def begin(self, deployment):
        self.front = deployment.front in self.links
        for each in self.links:
            deployment.links.fault(each, self.kind, **self.more)

    def end(self, deployment):
        for each in self.links:
            deployment.links.clear(each)


class Server(Fault):
    """Broker or store: gone, killed or stopped, and back."""

    seconds = 2

    def __init__(self, which, how):
        super().__init__(f"{which} {how}")
        self.which, self.how = which, how

    def begin(self, deployment):
        server = getattr(deployment, self.which)
        if not server.processes:
            return  # another fault took it away
        {"restart": server.stop, "kill": server.kill, "stop": server.pause}[self.how]()

    def end(self, deployment):
        if self.which == "store":
            deployment.small.free()  # it does not start on a disk that another fault fills
        deployment.heal_servers()


class Alarm(Fault):
    """The broker takes nothing more, as it has no memory or no disk left."""

    seconds = 4

    def __init__(self, what):
        super().__init__(f"broker {what} alarm")
        self.what = what

    def begin(self, deployment):
        deployment.heal_servers()  # who is stopped hears no command
        if self.what == "memory":
            deployment.broker.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
        else:
            deployment.broker.ctl("set_disk_free_limit", "100000GB")

    def end(self, deployment):
        deployment.heal_servers()
        if self.what == "memory":
            deployment.broker.ctl("set_vm_memory_high_watermark", "0.4")
        else:
            deployment.broker.ctl("set_disk_free_limit", "64MB")


class DiskFull(Fault):
    """Not a byte is left where the store keeps its data."""

    seconds = 4

    def __init__(self):
        super().__init__("disk full")

    def begin(self, deployment):
        deployment.small.fill()

    def end(self, deployment):
        deployment.small.free()
