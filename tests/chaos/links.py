# SPDX-License-Identifier: MIT
"""The links between the parts, as proxy.py keeps them in a process of its own."""

import json
import subprocess
import sys
import threading
from pathlib import Path

PROXY = Path(__file__).with_name("proxy.py")


class Links:
    def __init__(self):
        self.lock = threading.Lock()
        self.ports = {}
        self.process = subprocess.Popen(
            [sys.executable, PROXY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def close(self):
        self.process.kill()
        self.process.wait()

    def tell(self, do, name, **more):
        with self.lock:
            self.process.stdin.write(json.dumps({"do": do, "name": name} | more) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(f"{do} {name}: {answer['error']}")
        return answer["ok"]

    def add(self, name, *upstreams):
        """The port of a new link to `upstreams`, pairs of host and port."""
        self.ports[name] = self.tell("link", name, upstreams=upstreams)
        return self.ports[name]

    def lead(self, name, *upstreams):
        self.tell("upstreams", name, upstreams=upstreams)

    def fault(self, name, kind, **more):
        self.tell("fault", name, kind=kind, **more)

    def clear(self, name):
        self.tell("clear", name)

    def taken_by(self, name, port):
        """The upstream that has the connection from this port of a client, or None."""
        found = self.tell("taken_by", name, port=port)
        return tuple(found) if found else None
