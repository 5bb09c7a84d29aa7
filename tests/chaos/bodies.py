# SPDX-License-Identifier: MIT
"""What the load stores: each body is another one, so that its digest tells which write an object is of."""

import functools
import json
import uuid

import samples
from large import Document, Unsized
from ledger import digest

from .cluster import INLINE, ONE_PART, SPOOL
from .ledger import Write

PIECE = 256 << 10
JSON = ("json", "application/json")


@functools.cache
def sample(kind):
    """One real file of the kind; bytes behind its end make another one of it."""
    return samples.picture("PNG", size=(24, 16)) if kind == "image" else samples.pdf(1)


def write(how, body, type=JSON[0], content_type=JSON[1], **more):
    is_large = isinstance(body, Document)
    return Write(
        how,
        type,
        content_type,
        body,
        body.sha256() if is_large else digest(body),
        len(body),
        **more,
    )


def document(rng, how, **more):
    filling = "x" * rng.choice([20, 200, 2000, 20_000])
    name = f"{uuid.uuid4()}.json" if rng.random() < 0.3 else None
    body = json.dumps({"id": str(uuid.uuid4()), "filling": filling}).encode()
    return write(how, body, filename=name, **more)


def picture(rng, how, **more):
    body = sample("image") + uuid.uuid4().bytes
    return write(how, body, "image", "image/png", **more)


def report(rng, how, **more):
    body = sample("pdf") + b"%" + str(uuid.uuid4()).encode() + b"\n"
    return write(how, body, "pdf", "application/pdf", **more)


def small(rng, how, **more):
    return rng.choices([document, picture, report], [8, 1, 1])[0](rng, how, **more)


def large(size, last=b"]"):
    return Document(size, last=b',"%s"' % str(uuid.uuid4()).encode() + last)


def spooled(rng, how, **more):
    """Over the inline limit, of a length that is known and can be held."""
    size = rng.randrange(INLINE + 1, SPOOL)
    return write(how, large(size), **more)


def streamed(rng, how, **more):
    """Over what can be held; in chunks of an unknown length sometimes, of two parts sometimes."""
    size = rng.choice([SPOOL + 1, 2 << 20, 6 << 20]) + rng.randrange(1000)
    return write(how, large(size), chunked=rng.random() < 0.6, **more)


def streamed_for_long(rng, how, **more):
    return write(how, large((9 << 20) + rng.randrange(1000)), chunked=True, **more)


def sized(rng, how, **more):
    """Of a length that is known, and over what can be held."""
    return write(how, large((2 << 20) + rng.randrange(1000)), **more)


def sized_long(rng, how, **more):
    """The same, with parts over what a small memory holds."""
    return write(how, large((5 << 20) + rng.randrange(1000)), **more)


def sized_for_one(rng, how, **more):
    """A first part, and more than a second one of the smallest size."""
    return write(how, large(ONE_PART + (1 << 20) + rng.randrange(1000)), **more)


def refused(rng, how, **more):
    """JSON that is none, at its last byte."""
    body = document(rng, how).body[:-1] + b",}"
    return write(how, body, is_valid=False, **more)


def refused_large(rng, how, **more):
    size = rng.choice([INLINE + 1, SPOOL + 1, 6 << 20]) + rng.randrange(1000)
    return write(how, large(size, b"}"), is_valid=False, chunked=rng.random() < 0.5, **more)


def sent(write, wait=None):
    """The body as http.client takes it, and the header that tells its length. `wait` is called between pieces."""
    if not isinstance(write.body, Document):
        return write.body, {}
    body = pieces(write.body, wait) if wait else write.body
    if write.chunked:
        return Unsized(body), {}
    return iter(body), {"Content-Length": str(write.size)}


def pieces(body, wait):
    for each in body:
        for start in range(0, len(each), PIECE):
            yield each[start : start + PIECE]
            wait()
