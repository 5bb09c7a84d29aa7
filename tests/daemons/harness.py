# SPDX-License-Identifier: MIT
"""The programs as real processes, and what tests say to them."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import botocore.config
import pika
import requests

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SANGRAHA_BUILD") or ROOT / "build" / "test")
START_SECONDS = 20
PASSED_ON = ("PATH", "HOME", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS")


def program(role):
    return BUILD / "daemons" / ("sangraha" if role == "serve" else f"sangraha-{role}")


def name(role):
    """What it calls itself."""
    return "sangraha serve" if role == "serve" else f"sangraha-{role}"


def command(role):
    return [program(role), "serve"] if role == "serve" else [program(role)]


def wait_for(condition, seconds=10, what=None):
    """The first true value of condition(); no sleep of a guessed length."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.02)


class Daemon:
    """One program, configured by environment and flags, on a port of its own."""

    def __init__(self, role, environment=None, *flags):
        self.role = role
        self.flags = flags
        self.environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        own = "SANGRAHA_LISTEN" if role in ("orchestrator", "serve") else "SANGRAHA_HEALTH_LISTEN"
        self.environment |= {own: "127.0.0.1:0"} | (environment or {})
        self.process = None
        self.url = None

    def spawn(self):
        """Start without waiting for anything."""
        self.errors = self.open_errors()
        self.process = subprocess.Popen(
            [*command(self.role), *self.flags],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        return self

    def open_errors(self):
        """Where its standard error goes. Appended to: who reads it moves the writer's place, too."""
        return tempfile.TemporaryFile("a+")

    def start(self):
        """Start and wait for the line that tells the address."""
        return self.spawn().listening()

    def listening(self):
        """Wait for that line."""
        watchdog = threading.Timer(START_SECONDS, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        assert line.startswith("listening on http://"), f"{self.role}: {line!r} {self.stderr()}"
        self.url = line.split()[-1]
        return self

    def ready(self, seconds=START_SECONDS):
        """Wait until it says that it can do its work."""
        wait_for(self.is_ready, seconds, f"{self.role} is ready; {self.stderr()[-2000:]}")
        return self

    def is_ready(self):
        return self.readiness().status_code == 200

    def readiness(self):
        return requests.get(f"{self.url}/health/ready", timeout=10)

    def finish(self, seconds=20):
        """Wait for its end: exit status, standard output and standard error."""
        status = self.process.wait(seconds)
        return status, self.process.stdout.read(), self.stderr()

    def terminate(self, seconds=20):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        """As kill -9 and a power cut do."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read()

    def log(self):
        """What it logged, as objects; every line is one, but what is being written has no end yet."""
        lines = self.stderr().splitlines(keepends=True)
        strange = [line for line in lines if line.endswith("\n") and not line.startswith("{")]
        assert not strange, f"{self.role} says {strange}"
        return [json.loads(line) for line in lines if line.endswith("\n")]


class Stack:
    """A broker's virtual host, buckets of a prefix, and the programs on them."""

    def __init__(self, broker_url, store_url, access_key, secret_key, ctl=None):
        self.broker_url = broker_url
        self.store_url = store_url
        self.prefix = f"t{secrets.token_hex(4)}-"
        self.access_key, self.secret_key = access_key, secret_key
        self.ctl_path = ctl
        self.daemons = []
        self.environment = {
            "SANGRAHA_QUEUE_URL": broker_url,
            "SANGRAHA_STORE_URL": store_url,
            "SANGRAHA_STORE_ACCESS_KEY": access_key,
            "SANGRAHA_STORE_SECRET_KEY": secret_key,
            "SANGRAHA_BUCKET_PREFIX": self.prefix,
        }

    def daemon(self, role, *flags, **settings):
        """A program on this stack, not started; `settings` are further variables."""
        more = {f"SANGRAHA_{name.upper()}": str(value) for name, value in settings.items()}
        made = Daemon(role, self.environment | more, *flags)
        self.daemons.append(made)
        return made

    def start(self, *roles, **settings):
        """Start programs of these roles, all at once, and wait until they are ready."""
        started = [self.daemon(role, **settings).start() for role in roles]
        for each in started:
            each.ready()
        return started if len(started) > 1 else started[0]

    def close(self):
        for each in self.daemons:
            each.kill()

    @contextlib.contextmanager
    def pika(self):
        connection = pika.BlockingConnection(pika.URLParameters(self.broker_url))
        try:
            yield connection.channel()
        finally:
            if connection.is_open:
                connection.close()

    def ctl(self, *arguments):
        """What rabbitmqctl says about this virtual host, as JSON."""
        vhost = urlsplit(self.broker_url).path[1:].replace("%2F", "/")
        command = [self.ctl_path, "-q", "-p", vhost, *arguments, "--formatter", "json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    def boto3(self):
        return boto3.client(
            "s3",
            endpoint_url=self.store_url.removeprefix("s3+"),
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=botocore.config.Config(s3={"addressing_style": "path"}),
        )


class Rest:
    """A client of the HTTP interface, in the words of the tests."""

    def __init__(self, url, **headers):
        self.url = url
        self.session = requests.Session()
        self.session.headers.update(headers)

    def call(self, method, path, **more):
        return self.session.request(method, self.url + path, timeout=40, **more)

    def post(self, data, content_type=None, headers=None, **params):
        declared = {"Content-Type": content_type} if content_type else {}
        return self.call(
            "POST", "/v1/objects", data=data, params=params, headers=declared | (headers or {})
        )

    def store(self, data, content_type=None, **more):
        """Post what must be accepted; its description."""
        answer = self.post(data, content_type, **more)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, reference, **more):
        return self.call("GET", f"/v1/objects/{reference}", **more)

    def content(self, reference):
        answer = self.get(reference)
        assert answer.status_code == 200, answer.text
        return answer.content

    def head(self, reference, **more):
        return self.call("HEAD", f"/v1/objects/{reference}", **more)

    def stat(self, reference):
        return self.call("GET", f"/v1/objects/{reference}/metadata")

    def delete(self, reference):
        return self.call("DELETE", f"/v1/objects/{reference}")

    def list(self, **params):
        return self.call("GET", "/v1/objects", params=params)

    def operation(self, location):
        return self.call("GET", location)


def refused(answer, status, code):
    """The answer is this problem, in the shape that all problems have; its document."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["title"] and problem["detail"]
    assert problem["correlation_id"] == answer.headers["X-Correlation-ID"]
    return problem
