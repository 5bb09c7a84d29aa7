# SPDX-License-Identifier: MIT
"""Two programs of each role behind a plain TCP balancer, restarted one by one under load."""

import http.client
import itertools
import json
import random
import threading
import time
from urllib.parse import urlsplit

import requests
import samples
from balancer import Balancer
from harness import wait_for

LARGE = 5_000_000
TYPES = {"Content-Type": "application/json"}


class Load(threading.Thread):
    """Requests one after another until it is told to stop; what failed is remembered."""

    def __init__(self, url, number):
        super().__init__(daemon=True)
        self.url, self.number = url, number
        self.random = random.Random(number)
        self.stop = threading.Event()
        self.done = 0
        self.failures = []

    def run(self):
        for turn in itertools.count():
            if self.stop.is_set():
                return
            try:
                self.step(turn)
                self.done += 1
            except Exception as problem:
                self.failures.append(f"{type(self).__name__} {turn}: {problem!r}")

    def step(self, turn):
        """Store, read, describe, delete."""
        body = json.dumps({"load": self.number, "turn": turn, "pad": "x" * self.random.randrange(9000)})
        stored = json.loads(self.ask("POST", "/v1/objects", body, TYPES, 201))
        path = f"/v1/objects/{stored['reference']}"
        assert self.ask("GET", path, None, {}, 200) == body.encode()
        assert json.loads(self.ask("GET", path + "/metadata", None, {}, 200)) == stored
        self.ask("DELETE", path, None, {}, 204)
        self.ask("GET", path, None, {}, 404)

    def ask(self, method, path, body, headers, wanted):
        status, content = self.exchange(method, path, body, headers)
        assert status == wanted, f"{method} {path}: {status} {content[:300]!r}"
        return content


class Session(Load):
    """Keeps its connections, as most clients do."""

    def run(self):
        with requests.Session() as self.session:
            super().run()

    def exchange(self, method, path, body, headers):
        answer = self.session.request(method, self.url + path, data=body, headers=headers, timeout=60)
        return answer.status_code, answer.content


class Kept(Load):
    """Keeps one connection until it is told that the answer was the last, and looks at nothing else."""

    def run(self):
        self.connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        super().run()

    def exchange(self, method, path, body, headers):
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except Exception:
            self.connection.close()
            raise


class Fresh(Load):
    """A connection for each request."""

    def exchange(self, method, path, body, headers):
        answer = requests.request(method, self.url + path, data=body, headers=headers, timeout=60)
        return answer.status_code, answer.content


class Large(Session):
    """Bodies that take a while, in both directions, with their length or in chunks."""

    def step(self, turn):
        data = samples.picture("PNG") + self.random.randbytes(LARGE)
        body = data if turn % 2 else slowly(data)
        stored = json.loads(self.ask("POST", "/v1/objects", body, {"Content-Type": "image/png"}, 201))
        with self.session.get(f"{self.url}/v1/objects/{stored['reference']}", stream=True, timeout=60) as answer:
            assert answer.status_code == 200
            assert b"".join(slowly_read(answer)) == data


def slowly(data, piece=250_000):
    for at in range(0, len(data), piece):
        yield data[at : at + piece]
        time.sleep(0.05)


def slowly_read(answer):
    for piece in answer.iter_content(250_000):
        yield piece
        time.sleep(0.05)


def restart(daemon):
    """As an init system does: SIGTERM, wait for the end, start at the same address."""
    name = "SANGRAHA_LISTEN" if daemon.role == "orchestrator" else "SANGRAHA_HEALTH_LISTEN"
    daemon.environment[name] = urlsplit(daemon.url).netloc
    began = time.monotonic()
    assert daemon.terminate() == 0
    took = time.monotonic() - began
    daemon.start().ready()
    return took


def test_a_rolling_restart_fails_no_request(empty_stack):
    roles = ["receiver", "getter", "orchestrator"] * 2
    # Each load looks for what it has deleted, perhaps through the other orchestrator.
    daemons = empty_stack.start(*roles, cache_ttl=0)
    balancer = Balancer([address(each) for each in daemons if each.role == "orchestrator"])
    loads = [
        kind(balancer.url, number)
        for number, kind in enumerate([Session, Session, Kept, Kept, Kept, Fresh, Fresh, Large])
    ]
    for load in loads:
        load.start()
    for daemon in daemons:
        before = [load.done for load in loads]
        assert restart(daemon) < 8.5
        wait_for(lambda: all(load.done > b for load, b in zip(loads, before)) or failed(loads), 60)
    for load in loads:
        load.stop.set()
    for load in loads:
        load.join(120)
    assert not failed(loads)
    assert min(load.done for load in loads) >= len(daemons)
    balancer.close()


def failed(loads):
    return [failure for load in loads for failure in load.failures]


def address(daemon):
    at = urlsplit(daemon.url)
    return at.hostname, at.port
