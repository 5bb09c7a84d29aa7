# SPDX-License-Identifier: MIT
"""Two ways to one store, and either of them fails: what was asked for is answered in its time."""

import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from harness import Rest, Stack, wait_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from chaos.links import Links  # noqa: E402

TIMEOUT = 10  # of a request
LATE = 5  # that a busy machine may be
LARGE = b'{"text":"%s"}' % (b"x" * (6 << 20))
FAULTS = ("reset", "swallow", "trickle")


@pytest.fixture
def gateways(own_broker, own_store):
    """All three programs, with the store behind the links "one" and "two"."""
    for server in (own_broker, own_store):
        if not server.processes:
            server.start()
    links = Links()
    ports = [links.add(name, ("127.0.0.1", own_store.ports[0])) for name in ("one", "two")]
    urls = ",".join(f"s3+http://127.0.0.1:{port}" for port in ports)
    made = Stack(own_broker.url, urls, own_store.access_key, own_store.secret_key, own_broker.ctl_path)
    made.links = links
    try:
        made.receiver, made.getter, made.orchestrator = made.start(
            "receiver", "getter", "orchestrator", request_timeout=TIMEOUT, idle_timeout=TIMEOUT, heartbeat=20
        )
        made.rest = Rest(made.orchestrator.url)
        yield made
    finally:
        made.close()
        links.close()


def breakers(daemon):
    """What the series of the store's breakers say, by their labels."""
    text = requests.get(f"{daemon.url}/metrics", timeout=10).text
    found = re.findall(r'^sangraha_breaker_state\{(dependency="store"[^}]*)\} (\d)$', text, re.M)
    return {labels: int(value) for labels, value in found}


def gateway(stack, name):
    return f'dependency="store",endpoint="127.0.0.1:{stack.links.ports[name]}"'


def timed(call, *arguments):
    began = time.monotonic()
    answer = call(*arguments)
    return answer, time.monotonic() - began


def ask(stack, n):
    """A write and reads of what it wrote, with the longest time that one of them took."""
    data = b'{"n":%d}' % n
    answer, longest = timed(stack.rest.post, data)
    assert answer.status_code == 201, answer.text
    reference = answer.json()["reference"]
    for read in (stack.rest.get, stack.rest.stat):
        answer, took = timed(read, reference)
        assert answer.status_code == 200, answer.text
        longest = max(longest, took)
    assert stack.rest.content(reference) == data
    return longest


@pytest.mark.parametrize("kind", FAULTS)
def test_one_gateway_fails(gateways, kind):
    gateways.rest.store(b"{}")
    gateways.links.fault("one", kind)
    with ThreadPoolExecutor(4) as pool:
        times = list(pool.map(lambda n: ask(gateways, n), range(40)))
    print(f"{kind}: the longest took {max(times):.2f} s")
    assert max(times) < TIMEOUT + LATE
    # By now it is known, and costs nothing any more.
    assert all(breakers(each)[gateway(gateways, "one")] for each in (gateways.receiver, gateways.getter))
    assert all(breakers(each)['dependency="store"'] == 0 for each in (gateways.receiver, gateways.getter))
    gateways.links.clear("one")
    for each in (gateways.receiver, gateways.getter):
        wait_for(lambda each=each: ask(gateways, 0) and breakers(each)[gateway(gateways, "one")] == 0)


@pytest.mark.parametrize("kind", ("cut", "swallow"))
def test_large_objects_go_by_the_other_gateway(gateways, kind):
    """Tickets, too, are for the gateway that serves."""
    gateways.rest.store(LARGE, filename="before.json")
    gateways.links.fault("one", kind)
    for _ in range(3):
        answer, took = timed(gateways.rest.post, LARGE)
        assert answer.status_code == 201, answer.text
        assert took < 3 * TIMEOUT
        assert gateways.rest.content(answer.json()["reference"]) == LARGE
    gateways.links.clear("one")


@pytest.mark.parametrize("kind", ("cut", "swallow"))
def test_both_gateways_fail_and_return(gateways, kind):
    reference = gateways.rest.store(b"{}")["reference"]
    for name in ("one", "two"):
        gateways.links.fault(name, kind)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: gateways.rest.post(b"[%d]" % n), range(8)))
        list(pool.map(lambda _: gateways.rest.get(reference), range(8)))
    wait_for(lambda: breakers(gateways.receiver)['dependency="store"'], 30)
    wait_for(lambda: breakers(gateways.getter)['dependency="store"'], 30)
    for call, argument in ((gateways.rest.post, b"[]"), (gateways.rest.get, reference)):
        answer, took = timed(call, argument)
        # After five seconds nobody takes requests any more: they wait for who does.
        assert answer.status_code in (503, 504), answer.text
        assert "Retry-After" in answer.headers or answer.status_code == 504
        assert took < TIMEOUT + LATE
    for name in ("one", "two"):
        gateways.links.clear(name)
    back = time.monotonic()
    wait_for(lambda: gateways.rest.post(b"[]").status_code == 201)
    written = time.monotonic() - back
    wait_for(lambda: gateways.rest.get(reference).status_code == 200)
    print(f"{kind}: written after {written:.2f} s, read after {time.monotonic() - back:.2f} s")
    assert time.monotonic() - back < 8
    for each in (gateways.receiver, gateways.getter):
        wait_for(lambda each=each: breakers(each)['dependency="store"'] == 0)
