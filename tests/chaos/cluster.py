# SPDX-License-Identifier: MIT
"""What is tested: two of each program on servers of their own, or the embedded default."""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import servers
from harness import Daemon, Stack

from .links import Links

# Short times, so that what takes a deadline is over soon, and an inline limit that lets all three sizes
# of write occur without moving gigabytes. Everything else is as shipped.
REQUEST_SECONDS = 5
IDLE_SECONDS = 5
TICKET_SECONDS = 10
CACHE_SECONDS = 1
INLINE = 128 << 10
SPOOL = 1 << 20
ONE_PART = 10 << 20  # over two parts of the smallest size
SETTINGS = {
    "SANGRAHA_REQUEST_TIMEOUT": f"{REQUEST_SECONDS}",
    "SANGRAHA_IDLE_TIMEOUT": f"{IDLE_SECONDS}",
    "SANGRAHA_TICKET_TIMEOUT": f"{TICKET_SECONDS}",
    "SANGRAHA_CACHE_TTL": f"{CACHE_SECONDS}",
    "SANGRAHA_HEARTBEAT": "5",
    "SANGRAHA_INLINE_LIMIT": f"{INLINE}",
    "SANGRAHA_SPOOL_LIMIT": f"{SPOOL}",
}
DISK_MIB = 2048
CROWDED = 0.3  # of the disk, after which what was checked is removed
WAKE_SECONDS = 2  # after which who stopped on its way up goes on
TYPES = ("json", "image", "pdf")


class Member(Daemon):
    """One program of a cluster, with its log in a file and the times at which it was stopped."""

    def __init__(self, name, role, environment, log):
        super().__init__(role, environment)
        self.name, self.log_path, self.usual = name, log, dict(self.environment)
        self.stopped_at = None
        self.pauses = []  # of (from, to), monotonic
        self.deaths = 0

    def open_errors(self):
        return self.log_path.open("a+")

    def listening_at_last(self, tries=4):
        """It may come by a fail-point on its way."""
        for left in reversed(range(tries)):
            waking = threading.Timer(WAKE_SECONDS, self.wake)
            waking.start()
            try:
                return self.listening()
            except AssertionError:
                if not left or self.process.wait(5) != -signal.SIGKILL:
                    raise
                self.spawn()
            finally:
                waking.cancel()

    def wake(self):
        if self.is_alive() and self.is_paused():
            self.stopped_at = time.monotonic()
            self.resume()

    def stderr(self):
        return self.log_path.read_text(errors="replace")

    def pause(self):
        self.stopped_at = time.monotonic()
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        if self.stopped_at is not None:
            self.process.send_signal(signal.SIGCONT)
            self.pauses.append((self.stopped_at, time.monotonic()))
            self.stopped_at = None

    def is_paused(self):
        """Whether it stopped, by itself too, as at a fail-point."""
        with contextlib.suppress(OSError, IndexError):
            text = Path(f"/proc/{self.process.pid}/stat").read_text()
            return text.rsplit(")", 1)[1].split()[0] in "Tt"
        return False

    def went_on(self, since):
        """Whether it stood still after that time, and does not any more."""
        return any(to > since for _, to in self.pauses)

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def paused_within(self, begun, ended):
        """Seconds of this time in which it stood still."""
        pauses = list(self.pauses)
        if self.stopped_at is not None:
            pauses.append((self.stopped_at, time.monotonic()))
        return sum(max(0, min(ended, to) - max(begun, since)) for since, to in pauses)

    @property
    def address(self):
        parts = urlsplit(self.url)
        return parts.hostname, parts.port


class Deployment:
    """What both kinds have in common: members, links, an address for clients, fail-points."""

    kind = ""
    front = "client-orchestrator"

    def __init__(self, folder):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.points = folder / "points"
        self.points.mkdir()
        self.links = Links()
        self.members, self.settings = [], {}
        self.lock = threading.RLock()

    def member(self, name, role, environment):
        environment = SETTINGS | {"SANGRAHA_FAIL_POINTS": str(self.points)} | environment
        made = Member(name, role, environment, self.folder / f"{name}.log")
        self.members.append(made)
        return made

    def of(self, role):
        return [each for each in self.members if each.role == role]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.links.ports[self.front]}"

    def fronts(self):
        """The members that clients speak to."""
        return self.of("orchestrator")

    def on_the_way(self):
        """Processes that each answer passes."""
        return [self.links.process.pid, *(each.process.pid for each in self.fronts() if each.process)]

    def open_front(self):
        """A link to all fronts, and to each one by itself for those who want to ask that one."""
        addresses = [each.address for each in self.fronts()]
        if self.front in self.links.ports:
            self.links.lead(self.front, *addresses)
        else:
            self.links.add(self.front, *addresses)

    def front_of(self, port):
        """The member that had the connection from this port of a client."""
        address = self.links.taken_by(self.front, port)
        return next((each for each in self.fronts() if each.url and each.address == address), None)

    def configure(self, settings):
        """Other settings than the usual ones, for all members."""
        if settings == self.settings:
            return
        self.settings = settings
        for each in self.members:
            each.environment = each.usual | settings
            each.terminate()
        self.heal()
        self.ready()

    def heal(self):
        """Start again what died, let go on what stopped."""
        with self.lock:
            for each in self.members:
                if each.is_alive() and each.is_paused():
                    each.stopped_at = each.stopped_at or time.monotonic()
                    each.resume()
            dead = [each for each in self.members if not each.is_alive()]
            for each in dead:
                each.deaths += 1
                each.spawn()
            for each in dead:
                each.listening_at_last()
            if dead:
                self.open_front()

    def ready(self, seconds=30):
        for each in self.members:
            each.ready(seconds)

    def tails(self, lines=40):
        """The ends of all logs, for the report of a violation."""
        return {
            path.name: "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            for path in sorted(self.folder.glob("*.log"))
        }

    def lines_about(self, names, most=200):
        """What all logs say about these ids, in order of time."""
        found = []
        for path in self.folder.glob("*.log"):
            with path.open(errors="replace") as log:
                found += [f"{path.stem}: {line}" for line in log if any(name in line for name in names)]
        return "".join(sorted(found, key=lambda line: line.split('"time":"')[-1])[-most:])

    def close(self):
        for each in self.members:
            each.kill()
        self.links.close()


class Distributed(Deployment, Stack):
    """Two receivers, two getters and two orchestrators; each link of each passes a proxy."""

    kind = "distributed"
    doubles = ("receiver", "getter", "orchestrator")

    def __init__(self, folder):
        Deployment.__init__(self, folder)
        self.small = SmallDisk("store")
        with contextlib.ExitStack() as undo:
            undo.callback(self.links.close)
            undo.callback(self.small.close)
            self.broker = servers.RabbitMQ()
            undo.callback(self.broker.close)
            self.store = SmallMinIO(self.small) if self.small.there else servers.MinIO()
            undo.callback(self.store.close)
            for each in (self.broker, self.store):
                each.launch()
            for each in (self.broker, self.store):
                each.wait()
            Stack.__init__(
                self,
                self.broker.url,
                self.store.url,
                self.store.access_key,
                self.store.secret_key,
                self.broker.ctl_path,
            )
            self.daemons = self.members = []
            self.undo = undo.pop_all()
        self.start_members()

    def start_members(self):
        broker, store = (("127.0.0.1", each.ports[0]) for each in (self.broker, self.store))
        public = self.links.add("tickets-store", store)
        self.requester_url = self.amqp_url(self.links.add("requester-broker", broker))
        for role in self.doubles:
            for number in (1, 2):
                name = f"{role}-{number}"
                queue = self.amqp_url(self.links.add(f"{name}-broker", broker))
                environment = self.environment | {
                    "SANGRAHA_QUEUE_URL": queue,
                    "SANGRAHA_STORE_PUBLIC_URL": f"s3+http://127.0.0.1:{public}",
                }
                if role != "orchestrator":
                    port = self.links.add(f"{name}-store", store)
                    environment["SANGRAHA_STORE_URL"] = f"s3+http://127.0.0.1:{port}"
                self.member(name, role, environment)
        for each in self.members:
            each.spawn()
        for each in self.members:
            each.listening()
        self.open_front()
        self.ready()

    def amqp_url(self, port):
        return f"amqp://guest:guest@127.0.0.1:{port}/%2F"

    def heal(self):
        self.heal_servers()
        Deployment.heal(self)

    def heal_servers(self):
        for server in (self.broker, self.store):
            if not server.processes:
                server.start()
            server.resume()

    def wipe(self):
        """Remove all objects and records, when everything about them was checked."""
        s3 = self.boto3()
        for name in (*TYPES, "meta"):
            bucket = self.prefix + name
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                if keys := [{"Key": entry["Key"]} for entry in page.get("Contents", [])]:
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
        # What was cut off lies in MinIO's own folder until it starts again.
        self.store.restart()

    def tails(self, lines=40):
        own = {server.name: server.log_tail(lines) for server in (self.broker, self.store)}
        return Deployment.tails(self, lines) | own

    def close(self):
        for each in self.members:
            each.kill()
        self.undo.close()


class Embedded(Deployment):
    """`sangraha serve`, which has everything in one process and one folder."""

    kind = "embedded"

    def __init__(self, folder):
        super().__init__(folder)
        self.small = SmallDisk("serve")
        self.data = (self.small.folder if self.small.there else folder) / "data"
        self.member("serve", "serve", {"SANGRAHA_DATA_DIR": str(self.data)}).start()
        self.open_front()
        self.ready()

    def fronts(self):
        return self.members

    def wipe(self):
        """Begin with a new folder."""
        self.members[0].kill()
        shutil.rmtree(self.data)
        self.heal()

    def close(self):
        super().close()
        self.small.close()


class SmallDisk:
    """A file system in memory, where we may mount one: it can be filled."""

    def __init__(self, name, size=DISK_MIB):
        self.folder = Path(tempfile.mkdtemp(prefix=f"sangraha-chaos-{name}-"))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=0755", "sangraha-chaos", self.folder]
        done = subprocess.run(mount, capture_output=True, text=True) if os.geteuid() == 0 else None
        self.there = done is not None and done.returncode == 0
        self.filling = self.folder / "filling"

    def fill(self):
        """Take all that is left."""
        with self.filling.open("wb") as file:
            size, piece = 0, 256 << 20
            while piece >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), size, piece)
                    size += piece
                except OSError:
                    piece //= 2

    def is_crowded(self):
        state = os.statvfs(self.folder)
        return self.there and state.f_bavail < (1 - CROWDED) * state.f_blocks

    def free(self):
        self.filling.unlink(missing_ok=True)

    def close(self):
        if self.there:
            subprocess.run(["umount", "-l", self.folder], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


@functools.cache
def disks_can_be_filled():
    disk = SmallDisk("probe")
    disk.close()
    return disk.there


class SmallMinIO(servers.MinIO):
    """MinIO on a disk that can be filled."""

    def __init__(self, disk):
        self.disk = disk
        super().__init__()

    def prepare(self):
        self.program = servers.find_program("minio")
        self.data = self.disk.folder / "data"
        self.data.mkdir(exist_ok=True)

    def environment(self):
        # It takes no folder on the same disk as the system's unless told that this is a test.
        return super().environment() | {"MINIO_CI_CD": "1"}

