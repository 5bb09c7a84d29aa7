# SPDX-License-Identifier: MIT
"""The programs that are measured, started as the servers of the tests are."""

import contextlib
import os
from pathlib import Path

import servers

from . import ROOT

BUILD = Path(os.environ.get("SANGRAHA_BUILD") or ROOT / "build" / "bench")
ROLES = ("receiver", "getter", "orchestrator")


class Daemon(servers.Server):
    """One program of ours, on a port of its own, its log in a file."""

    stop_seconds = 20

    def __init__(self, role, settings):
        self.name = self.role = role
        self.settings = settings
        super().__init__()

    def commands(self):
        program = BUILD / "daemons" / ("sangraha" if self.role == "serve" else f"sangraha-{self.role}")
        return [[program, "serve"] if self.role == "serve" else [program]]

    def environment(self):
        own = "listen" if self.role in ("orchestrator", "serve") else "health_listen"
        settings = {own: f"{servers.HOST}:{self.ports[0]}", **self.settings}
        return {f"SANGRAHA_{name.upper()}": str(value) for name, value in settings.items()}

    def is_ready(self):
        return servers.answers(f"{self.url}/health/ready")

    @property
    def url(self):
        return f"http://{servers.HOST}:{self.ports[0]}"


class Broker(servers.RabbitMQ):
    """A virtual host for each type of queue, as the arguments of a queue never change."""

    def url_of(self, queue_type):
        if queue_type == "quorum":
            return self.url
        if queue_type not in self.ctl("-q", "list_vhosts").split():
            self.ctl("add_vhost", queue_type)
            self.ctl("set_permissions", "-p", queue_type, "guest", ".*", ".*", ".*")
        return self.url.replace("%2F", queue_type)


class Stub(servers.Server):
    """A store that only answers, each request so many milliseconds later."""

    name = "stub"
    access_key = servers.ACCESS_KEY
    secret_key = servers.SECRET_KEY

    def __init__(self, delay):
        self.delay = delay
        super().__init__()

    def commands(self):
        return [[BUILD / "bench" / "bench-stub", "--port", self.ports[0], "--delay", self.delay]]

    def is_ready(self):
        return servers.answers(f"http://{servers.HOST}:{self.ports[0]}/")

    @property
    def url(self):
        return f"s3+http://{servers.HOST}:{self.ports[0]}"


class Machinery:
    """Broker and store for the whole run, and the programs that the row at hand needs."""

    def __init__(self):
        self.exits = contextlib.ExitStack()
        self.broker = self.minio = None
        self.stubs = {}  # by their delay
        self.store = None  # the one that the programs use now
        self.daemons = {}
        self.receivers = []  # beside the one among the daemons
        self.wanted = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with servers.deaf():
            self.stop_daemons()
            self.exits.close()

    def need_broker(self):
        if self.broker is None:
            self.broker = self.exits.enter_context(Broker())

    def need_path(self, **settings):
        """All three programs with these settings, and no others."""
        if self.minio is None:
            self.minio = self.exits.enter_context(servers.MinIO())
        self.need_daemons(self.minio, settings)

    def need_stub(self, delay, **settings):
        """The same, in front of a store that only answers."""
        if delay not in self.stubs:
            self.stubs[delay] = self.exits.enter_context(Stub(delay))
        self.need_daemons(self.stubs[delay], settings)

    def need_daemons(self, store, settings):
        wanted = {"queue_type": "quorum", "store_url": store.url, **settings}
        self.need_broker()
        self.store = store
        if wanted == self.wanted:
            return
        self.stop_daemons()
        self.common = {
            **wanted,
            "queue_url": self.broker.url_of(wanted["queue_type"]),
            "store_access_key": store.access_key,
            "store_secret_key": store.secret_key,
        }
        self.start_daemons(ROLES, self.common)
        self.wanted = wanted

    def have_receivers(self, count):
        """So many, all with the settings of the first."""
        while len(self.receivers) + 1 > count:
            self.receivers.pop().close()
        started = [Daemon("receiver", self.common) for _ in range(count - len(self.receivers) - 1)]
        self.receivers += started
        for receiver in started:
            receiver.launch()
        for receiver in started:
            receiver.wait()

    def need_embedded(self):
        """One `sangraha serve`, and none of the three."""
        if self.wanted == "embedded":
            return
        self.stop_daemons()
        self.start_daemons(("serve",), {})
        self.wanted = "embedded"

    def start_daemons(self, roles, settings):
        for role in roles:
            self.daemons[role] = Daemon(role, settings)
            self.daemons[role].launch()
        for daemon in self.daemons.values():
            daemon.wait()

    def stop_daemons(self):
        for daemon in (*self.receivers, *self.daemons.values()):
            daemon.close()
        self.receivers, self.daemons, self.wanted = [], {}, None

    @property
    def url(self):
        return self.daemons["serve" if "serve" in self.daemons else "orchestrator"].url

    def processes(self):
        """The name and process id of everything that is measured."""
        found = [(role, daemon.pid) for role, daemon in self.daemons.items()]
        found += [("receiver", receiver.pid) for receiver in self.receivers]
        if self.broker and "serve" not in self.daemons:
            found += [("broker", self.broker.pid), (self.store.name, self.store.pid)]
        return found
