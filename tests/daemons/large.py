# SPDX-License-Identifier: MIT
"""Objects of any size for the tests, made as they are sent, and what is told of those who move them."""

import hashlib
import io
import os
from pathlib import Path

import samples
from PIL import Image

MIB = 1 << 20
ROW = b'{"n":1%07d,"text":"as it comes, with \\u00e9 and \xe0\xa4\xb8\xe0\xa4\x82\xe0\xa4\x97\xe0\xa5\x8d\xe0\xa4\xb0\xe0\xa4\xb9","values":[1,-2.5e3,true,null]}'


class Document:
    """A JSON array of exactly `size` bytes, in pieces; `last` stands where its last byte would."""

    def __init__(self, size, last=b"]", seed=0):
        self.size, self.last, self.seed = size, last, seed

    def __len__(self):
        return self.size

    def __iter__(self):
        rows = b",\n".join(ROW % (self.seed + n) for n in range(8000))
        left = self.size - 2 - len(self.last)
        yield b"["
        while left >= len(rows) + 1:
            yield rows + b","
            left -= len(rows) + 1
        # A text fills what is left: its quotes are counted above with the first bracket.
        yield b'"' + b"x" * (left - 1) + b'"' + self.last

    def sha256(self):
        digest = hashlib.sha256()
        for piece in self:
            digest.update(piece)
        return digest.hexdigest()

    def bytes(self):
        return b"".join(self)


class Unsized:
    """The same without a length: it travels in chunks."""

    def __init__(self, body):
        self.body = body

    def __iter__(self):
        return iter(self.body)


def photo(kind="PNG", size=(2400, 1800)):
    """An image of more bytes than a message may have."""
    image = Image.effect_noise(size, 90).convert("RGB")
    written = io.BytesIO()
    image.save(written, kind, **({"quality": 100} if kind == "JPEG" else {}))
    return written.getvalue()


def report(size=6 * MIB, more=b""):
    """A PDF as large as that: a short one, updated with a long stream and with `more` objects."""
    short = samples.pdf(2)
    start = len(short)
    stream = b"q Q\n" * (size // 4)
    update = b"900 0 obj\n<</Length %d>>\nstream\n" % len(stream) + stream + b"\nendstream\nendobj\n" + more
    xref = start + len(update)
    previous = int(short.rsplit(b"startxref", 1)[1].split()[0])
    root = short.rsplit(b"/Root ", 1)[1].split(b"R")[0] + b"R"
    return (
        short
        + update
        + b"xref\n900 1\n%010d 00000 n \ntrailer\n<</Size 901/Root %s/Prev %d>>\n" % (start, root, previous)
        + b"startxref\n%d\n%%%%EOF\n" % xref
    )


def peak_memory(daemon):
    """The most that a program has had in memory, in bytes."""
    with open(f"/proc/{daemon.process.pid}/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def download(rest, reference):
    """Size and SHA-256 of what a GET brings, without keeping it."""
    digest, size = hashlib.sha256(), 0
    with rest.get(reference, stream=True) as answer:
        assert answer.status_code == 200, answer.text
        for piece in answer.iter_content(MIB):
            digest.update(piece)
            size += len(piece)
        assert size == int(answer.headers["Content-Length"])
    return size, digest.hexdigest()


def left_of(stack):
    """What lies in the store: object keys of all types, records, and open uploads on MinIO's disk."""
    s3, keys = stack.boto3(), []
    for bucket in ("json", "image", "pdf", "meta"):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=stack.prefix + bucket)
        keys += [f"{bucket}/{entry['Key']}" for page in pages for entry in page.get("Contents", [])]
    return sorted(keys)


def open_uploads(store):
    """Files of uploads in parts under MinIO's folder: the truth, which its listing is not."""
    walk = os.walk(store.data / ".minio.sys" / "multipart")  # which bears that folders go away meanwhile
    return [Path(folder) / name for folder, _, names in walk for name in names]
