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


class Machinery:
    """Broker and store for the whole run, and the programs that the row at hand needs."""

    def __init__(self):
        self.exits = contextlib.ExitStack()
        self.broker = self.minio = None
        self.daemons = {}
        self.wanted = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with servers.deaf():
            self.stop_daemons()
            self.exits.close()

    def need_servers(self):
        if self.minio is None:
            self.minio = self.exits.enter_context(servers.MinIO())
        if self.broker is None:
            self.broker = self.exits.enter_context(Broker())

    def need_path(self, **settings):
        """All three programs with these settings, and no others."""
        wanted = {"queue_type": "quorum", **settings}
        self.need_servers()
        if wanted == self.wanted:
            return
        self.stop_daemons()
        common = {
            **wanted,
            "queue_url": self.broker.url_of(wanted["queue_type"]),
            "store_url": self.minio.url,
            "store_access_key": self.minio.access_key,
            "store_secret_key": self.minio.secret_key,
        }
        self.start_daemons(ROLES, common)
        self.wanted = wanted

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
        for daemon in self.daemons.values():
            daemon.close()
        self.daemons, self.wanted = {}, None

    @property
    def url(self):
        return self.daemons["serve" if "serve" in self.daemons else "orchestrator"].url

    def processes(self):
        """The process id of everything that is measured, by name."""
        found = {role: daemon.pid for role, daemon in self.daemons.items()}
        if self.broker and "serve" not in self.daemons:
            found |= {"broker": self.broker.pid, "minio": self.minio.pid}
        return found
