# SPDX-License-Identifier: MIT
"""What a server said yes to, written down while it may be killed at any moment."""

import hashlib
import http.client
import json
import random
import threading
import uuid
from urllib.parse import urlsplit

from harness import wait_for

LOST = (OSError, http.client.HTTPException)


class Client:
    """Requests without ceremony, as thousands are made while something else is measured."""

    def __init__(self, url):
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=40)

    def call(self, method, path, body=None, headers=None):
        """Status, headers and body; one of LOST when there was no whole answer."""
        try:
            self.connection.request(method, path, body, headers or {})
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except LOST:
            self.connection.close()
            raise

    def post(self, body, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", "/v1/objects", body, named | {"Content-Type": "application/json"})


def digest(body):
    return hashlib.sha256(body).hexdigest()


def document(rng):
    """JSON of a size that is mostly small, and once in a while large."""
    # Those over 64 KiB are files of their own in the local store.
    size = rng.choice([50, 500, 5000, 90_000] if rng.random() < 0.9 else [900_000, 3_000_000])
    return json.dumps({"id": str(uuid.uuid4()), "filling": "x" * size}).encode()


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.attempted = set()  # digests of all that was ever sent
        self.stored = {}  # reference: digest, of what was acknowledged
        self.deleting = set()  # references whose delete was sent
        self.deleted = set()  # and acknowledged
        self.keyed = {}  # key: (body, reference or None when no answer came)
        self.pending = {}  # operation of an acknowledged asynchronous write: digest
        self.wrong = []
        self.acknowledged = 0

    # What a writer does

    def write(self, url, seed):
        """Keep on until the server is gone."""
        client, rng = Client(url), random.Random(seed)
        steps = [self.put] * 5 + [self.put_with_key] * 2 + [self.put_async, self.delete]
        try:
            while True:
                rng.choice(steps)(client, rng)
        except LOST:
            pass
        finally:
            client.connection.close()

    def expect(self, wanted, answer):
        if answer[0] == wanted:
            self.acknowledged += 1
            return True
        self.wrong.append(f"{answer[0]} and not {wanted}: {answer[2][:300]}")
        return False

    def attempt(self, rng):
        body = document(rng)
        with self.lock:
            self.attempted.add(digest(body))
        return body

    def store(self, answer, body):
        with self.lock:
            self.stored[json.loads(answer[2])["reference"]] = digest(body)

    def put(self, client, rng):
        body = self.attempt(rng)
        answer = client.post(body)
        if self.expect(201, answer):
            self.store(answer, body)

    def put_with_key(self, client, rng):
        body, key = self.attempt(rng), str(uuid.uuid4())
        with self.lock:
            self.keyed[key] = (body, None)
        answer = client.post(body, Idempotency_Key=key)
        if self.expect(201, answer):
            self.store(answer, body)
            with self.lock:
                self.keyed[key] = (body, json.loads(answer[2])["reference"])

    def put_async(self, client, rng):
        body = self.attempt(rng)
        answer = client.post(body, Prefer="respond-async")
        if self.expect(202, answer):
            with self.lock:
                self.pending[answer[1]["Location"]] = digest(body)

    def delete(self, client, rng):
        with self.lock:
            there = [each for each in self.stored if each not in self.deleting]
            if not there:
                return
            reference = rng.choice(there)
            self.deleting.add(reference)
        if self.expect(204, client.call("DELETE", f"/v1/objects/{reference}")):
            with self.lock:
                self.deleted.add(reference)

    # What must be true after the restart

    def check(self, url, rng):
        """Bring the ledger up to date, then compare: the list, and some of the objects themselves."""
        assert not self.wrong, self.wrong[:5]
        client = Client(url)
        self.repeat_keys(client)
        self.await_pending(client)
        listed = dict(self.listed(client))
        kept = {each for each in self.stored if each not in self.deleting}
        assert not kept - set(listed), "what was acknowledged is gone"
        assert not self.deleted & set(listed), "what was deleted is back"
        for reference, sha256 in listed.items():
            assert sha256 in self.attempted, f"{reference} is nothing that was ever sent"
            assert self.stored.get(reference, sha256) == sha256
        unknown = set(listed) - set(self.stored)
        self.check_contents(client, listed, unknown | set(rng.sample(sorted(listed), min(100, len(listed)))))
        for reference in rng.sample(sorted(self.deleted), min(20, len(self.deleted))):
            assert client.call("GET", f"/v1/objects/{reference}")[0] == 404
        client.connection.close()
        return len(listed)

    def check_all(self, url):
        client = Client(url)
        listed = dict(self.listed(client))
        self.check_contents(client, listed, listed)
        for reference in self.deleted:
            assert client.call("GET", f"/v1/objects/{reference}")[0] == 404

    def check_contents(self, client, listed, references):
        for reference in references:
            status, _, body = client.call("GET", f"/v1/objects/{reference}")
            if status == 404 and reference in self.deleting:
                continue  # the delete was on the queue, and its turn came
            assert status == 200, body
            assert digest(body) == listed[reference], f"{reference} is not what it was"

    def listed(self, client):
        path = "/v1/objects?limit=1000"
        while path:
            status, _, body = client.call("GET", path)
            assert status == 200, body
            page = json.loads(body)
            for each in page["objects"]:
                yield each["reference"], each["sha256"]
            cursor = page.get("next_cursor")
            path = cursor and f"/v1/objects?limit=1000&cursor={cursor}"

    def repeat_keys(self, client):
        """A repeat is the same object, whether or not the first one was answered."""
        for key, (body, reference) in self.keyed.items():
            if reference in self.deleting:
                continue
            answer = client.post(body, Idempotency_Key=key)
            assert answer[0] == 201, answer[2]
            made = json.loads(answer[2])
            assert made["sha256"] == digest(body) and reference in (None, made["reference"])
            if reference:
                assert answer[1]["Idempotency-Replayed"] == "true"
            self.store(answer, body)
        self.keyed.clear()

    def await_pending(self, client):
        for location, sha256 in self.pending.items():

            def done():
                status, _, body = client.call("GET", location)
                assert status == 200, body
                return json.loads(body).get("object")

            made = wait_for(done, 20, f"{location} is done")
            assert made["sha256"] == sha256
            self.stored[made["reference"]] = sha256
        self.pending.clear()
