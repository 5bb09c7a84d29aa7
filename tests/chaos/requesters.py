# SPDX-License-Identifier: MIT
"""Requesters in another language: pika and docs/protocol.md, nothing of ours."""

import base64
import json
import random
import threading
import time
import uuid

import pika

from . import bodies
from .cluster import REQUEST_SECONDS

WRITES, READS = "object_write_queue", "object_read_queue"
JSON_MODE = "application/vnd.sangraha+json"
PAUSE_SECONDS = 0.1
LOST = (pika.exceptions.AMQPError, OSError)
UNSETTLED = ("unavailable", "timeout", "overloaded")


class Requester:
    """A connection that is made anew when it is lost. Not for two threads."""

    def __init__(self, url):
        more = f"?heartbeat=5&blocked_connection_timeout={REQUEST_SECONDS}&socket_timeout=3"
        self.parameters = pika.URLParameters(url + more)
        self.connection = self.channel = None
        self.replies = f"object_response_queue.{uuid.uuid4()}"

    def connect(self):
        if not self.connection or not self.connection.is_open:
            self.connection = pika.BlockingConnection(self.parameters)
            self.channel = self.connection.channel()
            self.channel.confirm_delivery()
            self.channel.queue_declare(self.replies, durable=True, arguments={"x-expires": 600000})

    def close(self):
        try:
            if self.connection and self.connection.is_open:
                self.connection.close()
        except LOST:
            pass
        self.connection = None

    def ask(self, queue, body, **properties):
        """Headers and body of the answer, or None when there is none in time."""
        correlation = str(uuid.uuid4())
        try:
            self.connect()
            named = {"reply_to": self.replies, "correlation_id": correlation} | properties
            self.channel.basic_publish("", queue, body, pika.BasicProperties(**named), mandatory=True)
            return self.answer(correlation)
        except (*LOST, ValueError):
            self.close()
            return None

    def answer(self, correlation):
        until = time.monotonic() + REQUEST_SECONDS + 1
        while (left := until - time.monotonic()) > 0:
            for method, properties, body in self.channel.consume(self.replies, inactivity_timeout=left):
                if method:
                    self.channel.basic_ack(method.delivery_tag)
                    if properties.correlation_id == correlation:
                        return properties, body
                break
        return None

    # In the words of the protocol

    def request(self, queue, kind, body=b"", message_id=None, resend=0, **headers):
        """The answer's headers as a document, with `body`; None without an answer."""
        now = time.time() * 1000
        named = {"published": int(now), "deadline": int(now + REQUEST_SECONDS * 1000), "resend": resend} | headers
        answer = self.ask(
            queue,
            body,
            type=f"sangraha.{kind}.v1",
            message_id=message_id or str(uuid.uuid4()),
            content_type=named.pop("content_type", None),
            delivery_mode=2 if queue == WRITES else 1,
            headers={name.replace("_", "-"): value for name, value in named.items()},
        )
        return answer and (answer[0].headers | {"body": answer[1]})

    def request_json(self, queue, kind, **members):
        """The same in JSON mode; the answer's names have hyphens all the same."""
        now = time.time() * 1000
        document = {"type": f"sangraha.{kind}.v1", "deadline": int(now + REQUEST_SECONDS * 1000)} | members
        answer = self.ask(queue, json.dumps(document).encode(), content_type=JSON_MODE, delivery_mode=2)
        return answer and {name.replace("_", "-"): value for name, value in json.loads(answer[1]).items()}

    def put(self, write, resend=0, fresh=False, in_json=False):
        asked = {"object_type": write.type, "content_type": write.content_type, "filename": write.filename}
        asked = {name: value for name, value in asked.items() if value}
        if in_json:
            data = base64.b64encode(write.body).decode()
            return self.request_json(WRITES, "put", message_id=write.id, data=data, **asked)
        return self.request(
            WRITES, "put", write.body, message_id=write.id, resend=resend, fresh=fresh, **asked
        )

    def delete(self, write):
        type, object_id = write.known.split("/")
        return self.request(
            WRITES, "delete", message_id=write.delete_id, object_type=type, object_id=object_id
        )

    def get(self, reference):
        type, object_id = reference.split("/")
        return self.request(READS, "get", object_type=type, object_id=object_id)


class Clerk:
    """What a requester asks for and is answered, written into the ledger."""

    def __init__(self, requester, ledger):
        self.requester, self.ledger = requester, ledger

    def put(self, write, **how):
        write.is_open = write.reference is None
        with self.ledger.lock:
            self.ledger.requests += 1
        answer = self.requester.put(write, **how)
        code = answer and answer["code"]
        if code == "ok":
            reference = f"{answer['object-type']}/{answer['object-id']}"
            self.ledger.acknowledge(write, reference, answer["sha256"])
        elif code == "rejected" and not write.is_valid or code == "gone" and write.deletes:
            write.refused, write.is_open = code, False
        elif code and code not in UNSETTLED:
            self.ledger.wrong("answer", f"to an AMQP put of {write.id}: {answer}")
            write.is_open = False
        return code

    def delete(self, write):
        with self.ledger.lock:
            certain = write.is_there
            write.delete_id = write.delete_id or str(uuid.uuid4())
            write.deletes += 1
            write.delete_open = True
            self.ledger.requests += 1
        answer = self.requester.delete(write)
        code = answer and answer["code"]
        if code == "ok" or code == "not_found" and write.reference and not certain:
            with self.ledger.lock:
                write.deleted, write.delete_open = time.monotonic(), False
                self.ledger.acknowledged += code == "ok"
        elif code == "not_found":
            self.ledger.wrong("lost", f"{write.known} was not there to be deleted: {answer}")
            write.delete_open = False
        elif code and code not in UNSETTLED:
            self.ledger.wrong("answer", f"to an AMQP delete of {write.known}: {answer}")
        return code

    def get(self, write):
        was_there = write.is_there
        answer = self.requester.get(write.reference)
        code = answer and answer["code"]
        if code == "ok" and bodies.digest(answer["body"]) != write.digest:
            self.ledger.wrong("lost", f"{write.reference} has other bytes")
        elif code == "not_found" and was_there and not write.deletes:
            self.ledger.wrong("lost", f"{write.reference} is not there: {answer}")


class Requesters:
    """Threads of a load over AMQP, from start() to stop()."""

    def __init__(self, url, ledger, rng, count=2):
        self.url, self.ledger = url, ledger
        self.stopping = threading.Event()
        self.problems = []
        self.threads = [
            threading.Thread(target=self.run, args=(random.Random(rng.random()),), daemon=True)
            for _ in range(count)
        ]

    def start(self):
        for each in self.threads:
            each.start()
        return self

    def stop(self):
        self.stopping.set()
        for each in self.threads:
            each.join()
        if self.problems:
            raise self.problems[0]

    def run(self, rng):
        requester = Requester(self.url)
        clerk = Clerk(requester, self.ledger)
        try:
            while not self.stopping.is_set():
                rng.choices(*zip(*STEPS))[0](self, clerk, rng)
                self.stopping.wait(rng.expovariate(1 / PAUSE_SECONDS))
        except Exception as problem:
            self.problems.append(problem)
        finally:
            requester.close()

    def put(self, clerk, rng):
        """And perhaps the identical message again, whatever was answered."""
        make = bodies.refused if rng.random() < 0.1 else bodies.small
        write = self.ledger.plan(make(rng, "amqp", id=str(uuid.uuid4())))
        in_json = rng.random() < 0.2
        clerk.put(write, fresh=rng.random() < 0.6 and not in_json, in_json=in_json)
        for resend in range(1, rng.choice([1, 2, 3])):
            clerk.put(write, **({"in_json": True} if in_json else {"resend": resend}))

    def delete(self, clerk, rng):
        write = self.ledger.pick(rng, lambda w: w.how == "amqp" and w.is_there)
        if write:
            clerk.delete(write)
            if rng.random() < 0.5:
                clerk.delete(write)

    def get(self, clerk, rng):
        write = self.ledger.pick(rng, lambda w: w.reference and w.size < 100_000)
        if write:
            clerk.get(write)

    def poison(self, clerk, rng):
        """What cannot be read becomes a dead letter, once."""
        body = b"{" + str(uuid.uuid4()).encode()
        self.ledger.poison.add(body)
        clerk.requester.ask(WRITES, body, content_type=JSON_MODE, delivery_mode=2)


STEPS = [
    (Requesters.put, 6),
    (Requesters.delete, 2),
    (Requesters.get, 3),
    (Requesters.poison, 0.3),
]
