# SPDX-License-Identifier: MIT
"""One run: the rows one after another, each in pairs."""

import os
import shutil
import sys

import servers

from . import loads
from .programs import Machinery


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Bench:
    """What the rows use: the programs, and a folder on the disk that is measured."""

    def __init__(self, machinery, folder):
        self.machinery = machinery
        self.folder = folder

    def store(self, load, ids, bucket):
        """This load straight at the store."""
        store = self.machinery.store
        return loads.measure(
            [(store.name, store.pid)],
            "bench-load",
            *("--s3", store.url.removeprefix("s3+"), "--bucket", bucket, "--ids", ids),
            *("--access-key", store.access_key, "--secret-key", store.secret_key),
            *load.arguments(),
        )

    def sangraha(self, load, ids, _):
        """The same over the whole path."""
        return loads.measure(
            self.machinery.processes(),
            "bench-load",
            *("--sangraha", self.machinery.url, "--ids", ids, *load.arguments()),
        )

    def floor(self, name, load):
        """The same in a folder, without a service."""
        folder = self.folder / f"floor-{name}"
        return loads.measure(
            [], f"bench-{name}", folder, load.connections, load.seconds, load.operation
        )

    def wipe(self):
        """Empty all buckets behind MinIO's back, which keeps nothing of them in memory; forget all ids."""
        for bucket in self.machinery.minio.data.iterdir():
            if bucket.name != ".minio.sys":
                for entry in bucket.iterdir():
                    shutil.rmtree(entry)
        for ids in self.folder.glob("*.ids"):
            ids.unlink()
        os.sync()


def run_row(bench, row, pairs):
    try:
        row.prepare(bench)
        for number in range(pairs):
            note(f"{row.name}: {number + 1}/{pairs}")
            row.pairs.append((row.measure(bench, "alone"), row.measure(bench, "path")))
            row.after_pair(bench)
        row.finish(bench)
    except (loads.Wrong, servers.Failed, servers.Unavailable, OSError) as problem:
        row.problem = str(problem)
        note(f"{row.name}: FAILED: {problem}")
        bench.machinery.stop_daemons()  # the next row may have better luck with new ones


def run(rows, pairs, folder):
    with Machinery() as machinery:
        bench = Bench(machinery, folder)
        for row in rows:
            run_row(bench, row, pairs)
