# SPDX-License-Identifier: MIT
"""A client of the HTTP interface that knows when its last byte was sent and when the answer came."""

import json
import time
import uuid
from urllib.parse import quote

from ledger import LOST
from ledger import Client as PlainClient

from . import bodies
from .cluster import CACHE_SECONDS, IDLE_SECONDS, ONE_PART, REQUEST_SECONDS
from .ledger import Call, told

# Nobody waits longer: neither for the server to take the next bytes, nor for its answer.
SEND_SECONDS = 3 * REQUEST_SECONDS
ANSWER_SECONDS = REQUEST_SECONDS + 4

UNSETTLED = (503, 504, 429, 408)
REFUSED = (400, 415, 422)


class Client(PlainClient):
    """`fresh`: each request has a connection of its own."""

    def __init__(self, url, ledger, fresh=False):
        super().__init__(url)
        self.fresh = fresh
        self.connection.timeout = SEND_SECONDS
        self.ledger = ledger

    def close(self):
        self.connection.close()

    def ask(self, what, method, path, body=None, headers=None, on_its_way=0):
        """The call, whose status is 0 when the connection ended and None when nothing came in time."""
        call = Call(f"{what} {method} {path}", begun=time.monotonic(), correlation=f"c-{uuid.uuid4().hex[:12]}")
        call.on_its_way = on_its_way
        call.sent = call.begun
        try:
            if self.connection.sock:
                self.connection.sock.settimeout(SEND_SECONDS)
            self.connection.request(method, path, body, {"X-Correlation-ID": call.correlation} | (headers or {}))
            call.sent = time.monotonic()
            call.port = self.connection.sock.getsockname()[1]
            self.connection.sock.settimeout(ANSWER_SECONDS + on_its_way)
            answer = self.connection.getresponse()
            call.answered = time.monotonic()
            call.body, call.headers = answer.read(), dict(answer.headers)
            call.status = answer.status
        except TimeoutError:
            self.connection.close()
            if call.answered:  # it began in time, and stopped in the middle
                call.answered, call.status = None, 0
            else:
                call.given_up = time.monotonic()
        except LOST:
            self.connection.close()
            call.answered, call.status = None, 0
        if self.fresh:
            self.connection.close()
        self.ledger.note(call)
        return call

    # Writes

    def send(self, write, wait=None):
        """Ask for it to be stored, and write down what the answer says; `wait` is called between pieces."""
        body, headers = bodies.sent(write, wait)
        headers = headers | {"Content-Type": write.content_type}
        if write.key:
            headers["Idempotency-Key"] = write.key
        if write.how == "async":
            headers["Prefer"] = "respond-async"
        path = "/v1/objects" + (f"?filename={quote(write.filename)}" if write.filename else "")
        write.is_open = write.reference is None
        # What goes on as it comes is read as fast as the store takes it, and in the end not at all for a while.
        on_its_way = IDLE_SECONDS if write.size > ONE_PART and not write.key and not write.chunked else 0
        call = self.ask(write.how, "POST", path, body, headers, on_its_way)
        self.judge(write, call)
        return call

    def judge(self, write, call):
        if call.status == 201:
            self.stored(write, call)
        elif call.status == 202 and write.how == "async":
            write.location, write.is_open = call.headers["Location"], False
            write.promised = time.monotonic()
            self.ledger.acknowledged += 1
        elif call.status == 409 and write.rivals:
            write.refused, write.is_open = 409, False
        elif call.status == 410 and write.deletes:
            write.refused, write.is_open = 410, False
        elif call.status in REFUSED and not write.is_valid:
            write.refused, write.is_open = call.status, False
        elif call.status not in UNSETTLED and call.status:
            self.ledger.wrong("answer", f"to a {'' if write.is_valid else 'bad '}write: {told(call)}")
            write.is_open = False

    def stored(self, write, call):
        description = json.loads(call.body)
        self.ledger.acknowledge(write, description["reference"], description["sha256"], call)
        self.describes(write, description, call)

    def describes(self, write, description, call):
        wanted = {"size": write.size, "filename": write.filename, "content_type": write.content_type}
        for name, value in wanted.items():
            if description[name] != value:
                self.ledger.wrong("lost", f"{name} is {description[name]!r} and not {value!r}; {told(call)}")

    def poll(self, write):
        """Ask what became of an asynchronous write."""
        location = write.location
        call = self.ask("poll", "GET", location) if location else None
        if not call or call.status != 200:
            return
        state = json.loads(call.body)
        if state["state"] == "done":
            self.ledger.acknowledge(write, state["object"]["reference"], state["object"]["sha256"], call)
        elif state["state"] == "failed" and not write.is_valid:
            write.refused, write.location = state["status"], None
        elif state["state"] == "failed" and write.deletes and state["status"] == 410:
            write.refused, write.location = 410, None
        elif state["state"] != "pending":
            write.location = None
            self.ledger.wrong("lost", f"it was acknowledged with 202; {told(call)}")

    # Reads and deletes

    def read(self, write, method="GET", suffix=""):
        """Read what is there, or was; says what is wrong with the answer."""
        reference, was_there, begun_deletes = write.reference, write.is_there, write.deleted
        call = self.ask("read", method, f"/v1/objects/{reference}{suffix}")
        if call.status == 404 and was_there and not write.deletes:
            self.ledger.wrong("lost", f"{reference} is not there; {told(call)}")
        # Another orchestrator than the one that deleted it may have it in its cache so long.
        elif call.status == 200 and begun_deletes and begun_deletes + CACHE_SECONDS < call.begun:
            self.ledger.wrong("deleted", f"{reference} is back; {told(call)}")
        elif call.status == 200 and suffix:
            self.describes(write, json.loads(call.body), call)
        elif call.status == 200 and method == "GET" and bodies.digest(call.body) != write.digest:
            self.ledger.wrong("lost", f"{reference} has other bytes; {call.what} {len(call.body)}")
        elif call.status not in (200, 404, 0, None, *UNSETTLED):
            self.ledger.wrong("answer", f"to a read: {told(call)}")
        return call

    def delete(self, write):
        reference = write.known
        with self.ledger.lock:
            certain = write.is_there
            write.deletes += 1
            write.delete_open = True
        call = self.ask("delete", "DELETE", f"/v1/objects/{reference}")
        if call.status == 204:
            with self.ledger.lock:
                write.deleted, write.delete_open = time.monotonic(), False
                self.ledger.acknowledged += 1
        elif call.status == 404:
            if certain and write.deletes == 1:
                self.ledger.wrong("lost", f"{reference} was not there to be deleted; {told(call)}")
            with self.ledger.lock:
                write.delete_open = False
                if write.reference and write.how != "crossed":
                    write.deleted = write.deleted or time.monotonic()
        elif call.status not in (0, None, *UNSETTLED):
            self.ledger.wrong("answer", f"to a delete: {told(call)}")
        return call

    def list(self, type, limit=100):
        call = self.ask("list", "GET", f"/v1/objects?type={type}&limit={limit}")
        if call.status == 200:
            for each in json.loads(call.body)["objects"]:
                self.listed(each, call)
        elif call.status not in (0, None, *UNSETTLED):
            self.ledger.wrong("answer", f"to a list: {told(call)}")

    def listed(self, description, call):
        write, reference = self.ledger.by_digest.get(description["sha256"]), description["reference"]
        if not write:
            self.ledger.wrong("visible", f"{reference} was never written; {call.what}")
        elif not write.is_valid:
            self.ledger.wrong("visible", f"{reference} was refused; {call.what}")
        elif write.reference and write.reference != reference:
            self.ledger.wrong("duplicated", f"{reference} and {write.reference}; {call.what}")
        elif write.deleted and write.deleted < call.begun:
            self.ledger.wrong("deleted", f"{reference} is listed; {call.what} {call.correlation}")
