# SPDX-License-Identifier: MIT
"""Every write that was ever tried, what was answered to it, and what is wrong with that."""

import dataclasses
import threading
import time
import uuid

KEYS = uuid.UUID("9dd82b50-68c2-535a-a076-2a2577afffce")  # of docs/protocol.md


def id_of_key(key):
    """The id of an object that is written under an idempotency key."""
    return str(uuid.uuid5(KEYS, key))


@dataclasses.dataclass
class Violation:
    kind: str  # "lost", "duplicated", "late" or another word
    text: str

    def __str__(self):
        return f"{self.kind}: {self.text}"


@dataclasses.dataclass(eq=False)
class Write:
    """One body that somebody wants stored, however often it is sent."""

    how: str  # "post", "keyed", "async", "amqp", "contested", "crossed"
    type: str
    content_type: str
    body: object  # bytes, or pieces of a large one
    digest: str
    size: int
    key: str = None
    id: str = None  # where the requester knows it before
    filename: str = None
    chunked: bool = False
    is_valid: bool = True
    born: float = dataclasses.field(default_factory=time.monotonic)

    # What is known of it
    reference: str = None  # acknowledged
    found: str = None  # seen in the store, unacknowledged
    refused: int = None  # the status of a refusal
    is_open: bool = False  # sent, and no answer that settles it
    location: str = None  # of an acknowledged asynchronous one that is not done
    promised: float = None  # when that was
    rivals: list = dataclasses.field(default_factory=list)  # other bodies under the same key

    deletes: int = 0  # how often a delete was sent
    deleted: float = None  # when one was acknowledged
    delete_open: bool = False  # one was sent, and no answer settles it
    delete_id: str = None  # of one over AMQP, which keeps its id when it is repeated

    @property
    def is_there(self):
        """It must be readable."""
        return self.reference is not None and not self.deletes

    @property
    def known(self):
        """The reference, also where nobody said yes."""
        if self.reference or self.found:
            return self.reference or self.found
        return f"{self.type}/{self.id}" if self.id else None


@dataclasses.dataclass
class Call:
    """One HTTP request and how it was answered."""

    what: str
    sent: float = 0  # its last byte, into the socket
    on_its_way: float = 0  # seconds that it may have been in there, and in the server's
    begun: float = 0
    answered: float = None  # the head of the answer
    given_up: float = None  # nothing had come until then
    status: int = None  # 0: there was none, the connection ended; None: it took too long
    port: int = None
    correlation: str = None
    body: bytes = b""
    headers: dict = dataclasses.field(default_factory=dict)

    @property
    def ok(self):
        return self.status is not None and 200 <= self.status < 300


class Ledger:
    """What all threads of the load write down. One lock, held for moments."""

    def __init__(self):
        self.lock = threading.RLock()
        self.writes = []
        self.by_digest = {}
        self.by_reference = {}
        self.poison = set()  # ids of messages that must become dead letters
        self.calls = []
        self.violations = []
        self.acknowledged = 0
        self.requests = 0

    def take(self):
        """Calls, counts and violations since the last time."""
        with self.lock:
            taken = self.calls, self.requests, self.acknowledged, self.violations
            self.calls, self.requests, self.acknowledged, self.violations = [], 0, 0, []
            return taken

    def wrong(self, kind, text):
        with self.lock:
            self.violations.append(Violation(kind, text))

    def note(self, call):
        with self.lock:
            self.calls.append(call)
            self.requests += 1

    def plan(self, write):
        """Before the first byte of it is sent."""
        with self.lock:
            self.writes.append(write)
            self.by_digest[write.digest] = write
            if write.id:
                self.by_reference.setdefault(f"{write.type}/{write.id}", write)
        return write

    def acknowledge(self, write, reference, digest, call=None):
        """An answer said that it is stored as `reference`."""
        with self.lock:
            self.acknowledged += 1
            if not write.is_valid:
                self.wrong("visible", f"{reference} was accepted and is not valid; {told(call)}")
            if digest != write.digest:
                self.wrong("lost", f"{reference} has {digest} instead of {write.digest}; {told(call)}")
            if write.reference and write.reference != reference:
                self.wrong("duplicated", f"{write.reference} and {reference} are one write; {told(call)}")
            if write.id and reference != f"{write.type}/{write.id}":
                self.wrong("duplicated", f"{reference} should be {write.type}/{write.id}; {told(call)}")
            if write.deleted and call and call.begun > write.deleted:
                self.wrong("deleted", f"{reference} was written after its delete; {told(call)}")
            if any(rival.reference for rival in write.rivals if rival is not write):
                self.wrong("duplicated", f"{reference}: two bodies were taken under one key; {told(call)}")
            write.reference, write.is_open, write.location = reference, False, None
            self.by_reference[reference] = write

    def pick(self, rng, wanted):
        """One of the latest writes for which `wanted` holds, or None."""
        with self.lock:
            latest = self.writes[-200:]
            for _ in range(8):
                if latest and wanted(chosen := rng.choice(latest)):
                    return chosen
        return None

    def all(self, wanted):
        with self.lock:
            return [each for each in self.writes if wanted(each)]

    def forget_bodies(self):
        """What is settled is known by its digest from now on."""
        with self.lock:
            for each in self.writes:
                if not each.is_open and not each.location and each.size > 4096:
                    each.body = None


def told(call):
    """A call in words, for a report."""
    if call is None:
        return "no answer"
    took = f"{call.answered - call.sent:.2f} s" if call.answered else "no answer"
    return f"{call.what} -> {call.status} after {took} ({call.correlation}) {call.body[:300]!r}"
