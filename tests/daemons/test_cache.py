# SPDX-License-Identifier: MIT
"""What an orchestrator has read it serves from memory, but not for longer than it may."""

import re
import subprocess

import pytest
import requests
import samples
from harness import Daemon, Rest, program, wait_for
from large import MIB, Document

LONG = 3600
LARGE = Document(6 * MIB).bytes()
RANGES = [(0, 9), (5, 5), (1_000_000, 1_065_535), (len(LARGE) - 10, len(LARGE) - 1)]


def counter(rest, name):
    found = re.search(rf"^sangraha_cache_{name}_total (\d+)$", rest.call("GET", "/metrics").text, re.MULTILINE)
    return int(found[1]) if found else None


def cached(rest, reference):
    """Read it until it comes from memory: the queue of events may not be attached yet."""

    def hit():
        before = counter(rest, "hits")
        rest.content(reference)
        return counter(rest, "hits") > before

    wait_for(hit, what="a read from memory")


def remove(stack, stored):
    """Behind everybody's back, so that nothing tells of it."""
    stack.boto3().delete_object(Bucket=stack.prefix + stored["type"], Key=stored["id"])


@pytest.fixture
def workers(empty_stack):
    _, empty_stack.getter = empty_stack.start("receiver", "getter")
    return empty_stack


def orchestrator(stack, **settings):
    return Rest(stack.start("orchestrator", **settings).url)


def gone(rest, reference):
    return rest.get(reference).status_code == 404


def test_a_delete_is_heard_by_the_other_one(workers):
    one, other = (orchestrator(workers, cache_ttl=LONG) for _ in range(2))
    first, second = (one.store(samples.picture("PNG")) for _ in range(2))
    for rest in (one, other):
        for each in (first, second):
            cached(rest, each["reference"])
    assert one.delete(first["reference"]).status_code == 204
    assert gone(one, first["reference"]) and gone(one, first["reference"] + "/metadata")
    wait_for(lambda: gone(other, first["reference"]))
    # Nobody else's was touched.
    remove(workers, second)
    assert other.get(second["reference"]).status_code == 200


def test_all_of_a_read_comes_from_memory(workers):
    rest = orchestrator(workers, cache_ttl=LONG)
    data = samples.picture("PNG")
    stored = rest.store(data, filename="a.png")
    reference = stored["reference"]
    before = rest.get(reference)
    cached(rest, reference)
    remove(workers, stored)
    misses = counter(rest, "misses")
    after = rest.get(reference)
    assert after.content == data
    different = {"Date", "X-Correlation-ID"}
    assert {k: v for k, v in after.headers.items() if k not in different} == {
        k: v for k, v in before.headers.items() if k not in different
    }
    assert rest.head(reference).headers["Content-Length"] == str(len(data))
    assert rest.stat(reference).json() == stored
    assert rest.get(reference, headers={"Range": "bytes=1-3"}).content == data[1:4]
    assert rest.get(reference, headers={"If-None-Match": stored["etag"]}).status_code == 304
    assert counter(rest, "misses") == misses


def test_nothing_is_served_for_longer_than_its_time(workers):
    brief, patient = orchestrator(workers, cache_ttl="500ms"), orchestrator(workers, cache_ttl=LONG)
    stored = brief.store(b'{"a":1}')
    cached(patient, stored["reference"])
    cached(brief, stored["reference"])
    remove(workers, stored)
    wait_for(lambda: gone(brief, stored["reference"]))
    assert patient.get(stored["reference"]).status_code == 200


def test_who_may_have_missed_something_forgets(workers):
    rest = orchestrator(workers, cache_ttl=LONG)
    stored = rest.store(b'{"a":1}')
    cached(rest, stored["reference"])
    remove(workers, stored)
    vhost = workers.broker_url.rsplit("/", 1)[1]
    command = [workers.ctl_path, "-q", "close_all_connections", "--vhost", vhost, "for a test"]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    wait_for(lambda: gone(rest, stored["reference"]), 30)


# Large objects: the bytes come from the store, how to get them from memory.


def ranges(rest, reference):
    """Read some, each of which is a hit."""
    before = counter(rest, "hits")
    for first, last in RANGES:
        part = rest.get(reference, headers={"Range": f"bytes={first}-{last}"})
        assert (part.status_code, part.content) == (206, LARGE[first : last + 1]), part.text
    assert counter(rest, "hits") == before + len(RANGES)


def test_ranges_of_a_large_object_need_the_store_alone(workers):
    rest = orchestrator(workers, cache_ttl=LONG)
    stored = rest.store(LARGE, "application/json", filename="a.json")
    reference = stored["reference"]
    cached(rest, reference)
    workers.getter.terminate()
    ranges(rest, reference)
    assert rest.content(reference) == LARGE
    assert rest.head(reference).headers["Content-Length"] == str(len(LARGE))
    assert rest.stat(reference).json() == stored
    assert rest.get(reference, headers={"If-None-Match": stored["etag"]}).status_code == 304
    workers.start("getter")
    assert rest.delete(reference).status_code == 204
    assert gone(rest, reference) and gone(rest, reference + "/metadata")


def test_the_delete_of_a_large_object_is_heard(workers):
    one, other = (orchestrator(workers, cache_ttl=LONG) for _ in range(2))
    reference = one.store(LARGE)["reference"]
    cached(other, reference)
    assert one.delete(reference).status_code == 204
    wait_for(lambda: gone(other, reference + "/metadata"))
    assert gone(other, reference)


def test_a_large_object_that_is_not_where_it_was_is_asked_for(workers):
    rest = orchestrator(workers, cache_ttl=LONG)
    stored = rest.store(LARGE)
    cached(rest, stored["reference"])
    remove(workers, stored)
    assert gone(rest, stored["reference"])
    assert gone(rest, stored["reference"] + "/metadata")


def location(rest, reference):
    answer = rest.get(reference, allow_redirects=False)
    assert answer.status_code == 307, answer.text
    return answer.headers["Location"]


def test_a_second_redirect_leads_there_too(workers):
    rest = orchestrator(workers, cache_ttl=LONG, large_reads="redirect")
    reference = rest.store(LARGE, filename="a.json")["reference"]

    def hit():
        before = counter(rest, "hits")
        url = location(rest, reference)
        return url if counter(rest, "hits") > before else None

    wait_for(hit)
    workers.getter.terminate()
    direct = requests.get(location(rest, reference), timeout=30)
    assert (direct.status_code, direct.content) == (200, LARGE)
    assert direct.headers["Content-Disposition"].startswith("inline")
    # With a condition that the store would not understand the bytes pass through.
    etag = rest.head(reference).headers["ETag"]
    part = rest.get(reference, headers={"Range": "bytes=1-3", "If-Range": etag}, allow_redirects=False)
    assert (part.status_code, part.content) == (206, LARGE[1:4])
    # To save it is another thing.
    workers.start("getter")
    saved = requests.get(location(rest, reference + "?download"), timeout=30)
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert rest.delete(reference).status_code == 204
    assert gone(rest, reference)


def test_a_redirect_always_has_time_left(empty_stack):
    empty_stack.start("receiver")
    empty_stack.start("getter", ticket_timeout=2)
    rest = orchestrator(empty_stack, cache_ttl=LONG, large_reads="redirect")
    reference = rest.store(LARGE)["reference"]
    seen = []

    def several():
        url = location(rest, reference)
        assert requests.get(url, headers={"Range": "bytes=0-9"}, timeout=30).status_code == 206
        seen.append(url)
        return len(set(seen)) > 2

    wait_for(several)
    assert counter(rest, "hits") > 0


@pytest.mark.parametrize("setting", ["cache_size", "cache_ttl"])
def test_it_can_be_switched_off(workers, setting):
    rest = orchestrator(workers, **{setting: 0})
    stored = rest.store(b'{"a":1}')
    for _ in range(3):
        rest.content(stored["reference"])
    assert counter(rest, "hits") is None
    remove(workers, stored)
    assert gone(rest, stored["reference"])


def test_the_queue_of_events_is_as_the_protocol_has_it(workers):
    orchestrator(workers)

    def queues():
        listed = workers.ctl("list_queues", "name", "durable", "auto_delete", "exclusive", "arguments", "type")
        return [each for each in listed if each["name"].startswith("object_event_queue.")]

    wait_for(lambda: len(queues()) == 1)
    queue = queues()[0]
    assert (queue["durable"], queue["auto_delete"], queue["exclusive"]) == (False, True, True)
    assert "x-max-length" in str(queue["arguments"]) and "classic" in str(queue["type"])
    workers.daemons[-1].terminate()
    wait_for(lambda: not queues())


@pytest.mark.skipif(not program("serve").exists(), reason="not built: sangraha")
def test_one_process_has_it_too(tmp_path):
    daemon = Daemon("serve", {"SANGRAHA_DATA_DIR": str(tmp_path / "data"), "SANGRAHA_CACHE_TTL": str(LONG)})
    try:
        rest = Rest(daemon.start().ready().url)
        stored = rest.store(b'{"a":1}')
        large = rest.store(LARGE)
        cached(rest, stored["reference"])
        cached(rest, large["reference"])
        ranges(rest, large["reference"])
        for each in (stored, large):
            assert rest.delete(each["reference"]).status_code == 204
            assert gone(rest, each["reference"])
        assert daemon.terminate() == 0
    finally:
        daemon.kill()
