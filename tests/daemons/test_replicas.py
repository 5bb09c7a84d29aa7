# SPDX-License-Identifier: MIT
"""A store and a copy of it to read from, and either of them fails, or is behind."""

import re
import sys
import time
from pathlib import Path

import boto3
import botocore.config
import pytest
import requests
from harness import Rest, Stack, refused, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "live"))
import servers  # noqa: E402

TIMEOUT = 10  # of a request
LATE = 5  # that a busy machine may be
SMALL = b'{"n":1}'
LARGE = b'{"text":"%s"}' % (b"x" * (6 << 20))
AWAY = (503, 504)


@pytest.fixture(scope="module")
def own_replica():
    """Another store, with the same keys."""
    with servers.MinIO() as store:
        yield store


class Copied(Stack):
    """All three programs, with a store and its replica, which has what copy() put there."""

    def __init__(self, broker, store, replica):
        super().__init__(broker.url, store.url, store.access_key, store.secret_key, broker.ctl_path)
        self.store, self.replica = store, replica

    def begin(self):
        settings = {"store_read_url": self.replica.url, "request_timeout": TIMEOUT, "cache_size": 0}
        self.receiver, self.getter, self.orchestrator = self.start(
            "receiver", "getter", "orchestrator", heartbeat=20, **settings
        )
        self.rest = Rest(self.orchestrator.url)

    def s3_at(self, server):
        return boto3.client(
            "s3",
            endpoint_url=server.url.removeprefix("s3+"),
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=botocore.config.Config(s3={"addressing_style": "path"}),
        )

    def copy(self):
        """All buckets, with metadata, as whoever runs the two stores would have them copied."""
        here, there = self.s3_at(self.store), self.s3_at(self.replica)
        known = {bucket["Name"] for bucket in there.list_buckets()["Buckets"]}
        for bucket in (each["Name"] for each in here.list_buckets()["Buckets"]):
            if not bucket.startswith(self.prefix):
                continue
            if bucket not in known:
                there.create_bucket(Bucket=bucket)
            for key in (each["Key"] for each in here.list_objects_v2(Bucket=bucket).get("Contents", [])):
                found = here.get_object(Bucket=bucket, Key=key)
                there.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=found["Body"].read(),
                    ContentType=found["ContentType"],
                    Metadata=found["Metadata"],
                )

    def remove(self, server, reference):
        """Behind everybody's back."""
        kind, key = reference.split("/")
        self.s3_at(server).delete_object(Bucket=f"{self.prefix}{kind}", Key=key)

    def breaker(self, server):
        """0: it is thought to serve, as the getter tells."""
        text = requests.get(f"{self.getter.url}/metrics", timeout=10).text
        label = f'dependency="store",endpoint="127.0.0.1:{server.ports[0]}"'
        return int(re.search(r"^sangraha_breaker_state\{%s\} (\d)$" % label, text, re.M)[1])

    def reads_ready(self):
        return requests.get(f"{self.getter.url}/health/ready", timeout=10).json()["reads"]


@pytest.fixture
def stack(own_broker, own_store, own_replica):
    for server in (own_broker, own_store, own_replica):
        if not server.processes:
            server.start()
    made = Copied(own_broker, own_store, own_replica)
    try:
        made.begin()
        yield made
    finally:
        made.close()


def assert_readable(stack, objects):
    """Each of them, soon enough."""
    for reference, data in objects.items():
        began = time.monotonic()
        assert stack.rest.content(reference) == data
        assert stack.rest.stat(reference).json()["size"] == len(data)
        assert time.monotonic() - began < TIMEOUT + LATE


def store_two(stack):
    return {stack.rest.store(data)["reference"]: data for data in (SMALL, LARGE)}


def test_reads_come_from_the_replica(stack):
    objects = store_two(stack)
    stack.copy()
    for reference in objects:
        stack.remove(stack.store, reference)
    assert_readable(stack, objects)


def test_what_is_not_copied_yet_comes_from_the_store(stack):
    assert_readable(stack, store_two(stack))
    refused(stack.rest.get("json/0199f2c4-0000-7000-8000-000000000000"), 404, "not_found")


def test_what_was_deleted_is_found_until_the_replica_knows(stack):
    (reference, _), *_ = store_two(stack).items()
    stack.copy()
    assert stack.rest.delete(reference).status_code == 204
    assert reference not in str(stack.rest.list().json())
    assert stack.rest.content(reference) == SMALL
    stack.remove(stack.replica, reference)
    refused(stack.rest.get(reference), 404, "not_found")


def stop(server, how):
    getattr(server, how)()


def go_on(server, how):
    if how == "pause":
        server.resume()
    else:
        server.start()


@pytest.mark.parametrize("how", ("kill", "pause"))
def test_reads_go_on_without_the_store(stack, how):
    objects = store_two(stack)
    stack.copy()
    late = stack.rest.store(b"[]")["reference"]
    stop(stack.store, how)
    try:
        assert_readable(stack, objects)
        # It may be in the store: nobody says that it is not there.
        assert stack.rest.get(late).status_code in AWAY
        assert stack.rest.post(b"{}").status_code in AWAY
        wait_for(lambda: stack.breaker(stack.store))
        # Longer than a getter stays at its queue that has nobody to ask.
        until = time.monotonic() + 7
        while time.monotonic() < until:
            assert_readable(stack, objects)
            assert stack.reads_ready()
        assert stack.rest.list().status_code in AWAY
    finally:
        go_on(stack.store, how)
    wait_for(lambda: stack.rest.get(late).status_code == 200)
    wait_for(lambda: stack.rest.list().status_code == 200)
    wait_for(lambda: stack.rest.post(b"{}").status_code == 201)


@pytest.mark.parametrize("how", ("kill", "pause"))
def test_reads_go_on_without_the_replica(stack, how):
    objects = store_two(stack)
    stack.copy()
    stop(stack.replica, how)
    try:
        assert_readable(stack, objects)
        wait_for(lambda: stack.rest.get(next(iter(objects))).ok and stack.breaker(stack.replica))
        assert_readable(stack, objects)
        assert stack.reads_ready()
    finally:
        go_on(stack.replica, how)
    wait_for(lambda: stack.rest.get(next(iter(objects))).ok and not stack.breaker(stack.replica))
    for reference in objects:
        stack.remove(stack.store, reference)
    wait_for(lambda: all(stack.rest.get(reference).ok for reference in objects))
    assert_readable(stack, objects)


@pytest.mark.parametrize("how", ("kill", "pause"))
def test_a_download_goes_on_without_the_replica_it_came_from(stack, how):
    data = b'{"text":"%s"}' % (b"x" * (48 << 20))
    reference = stack.rest.store(data)["reference"]
    stack.copy()
    answer = stack.rest.get(reference, stream=True)
    assert answer.status_code == 200
    pieces = answer.iter_content(1 << 20)
    got = next(pieces)
    stop(stack.replica, how)
    try:
        got += b"".join(pieces)
    finally:
        go_on(stack.replica, how)
    assert got == data


def test_clients_are_sent_to_who_has_the_object(stack):
    reference = stack.rest.store(LARGE)["reference"]
    redirecting = Rest(stack.start("orchestrator", large_reads="redirect", cache_size=0).url)

    def target():
        answer = redirecting.get(reference, allow_redirects=False)
        assert answer.status_code == 307, answer.text
        assert requests.get(answer.headers["Location"], timeout=TIMEOUT).content == LARGE
        return answer.headers["Location"]

    assert target().startswith(stack.store.url.removeprefix("s3+"))
    stack.copy()
    assert target().startswith(stack.replica.url.removeprefix("s3+"))
