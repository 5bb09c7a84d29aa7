# SPDX-License-Identifier: MIT
"""Processes killed, servers away and back: what was asked for is still answered."""

import signal
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import requests
from harness import Rest, refused, wait_for

HEARTBEAT = {"heartbeat": 20}


def all_three(stack, **settings):
    stack.receiver, stack.getter, stack.orchestrator = stack.start(
        "receiver", "getter", "orchestrator", **(HEARTBEAT | settings)
    )
    return Rest(stack.orchestrator.url)


class Load:
    """Uploads that go on until told to stop; what was answered 201 must be readable."""

    def __init__(self, rest, threads=4):
        self.rest = rest
        self.stopped = threading.Event()
        self.stored, self.failed = [], []
        self.threads = [threading.Thread(target=self.work) for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def work(self):
        while not self.stopped.is_set():
            data = b'{"id":"%s"}' % str(uuid.uuid4()).encode()
            try:
                answer = requests.post(f"{self.rest.url}/v1/objects", data=data, timeout=60)
            except requests.RequestException as problem:
                self.failed.append(problem)
                continue
            if answer.status_code == 201:
                self.stored.append((answer.json()["reference"], data))
            else:
                self.failed.append(answer)
                time.sleep(0.05)

    def check(self):
        for reference, data in self.stored:
            assert self.rest.content(reference) == data


# Processes


def test_a_receiver_killed_under_load(own_stack):
    rest = all_three(own_stack)
    with Load(rest) as load:
        wait_for(lambda: len(load.stored) > 20)
        own_stack.receiver.kill()
        own_stack.start("receiver", **HEARTBEAT)
        before = len(load.stored)
        wait_for(lambda: len(load.stored) > before + 20)
    assert not load.failed, [getattr(each, "text", each) for each in load.failed]
    load.check()


def test_a_request_waits_for_a_receiver(own_stack):
    rest = all_three(own_stack)
    own_stack.receiver.kill()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(rest.post, b'{"patient":true}')
        wait_for(lambda: ready_messages(own_stack) == 1)
        own_stack.start("receiver", **HEARTBEAT)
        answer = waiting.result(timeout=30)
    assert answer.status_code == 201, answer.text
    assert rest.content(answer.json()["reference"]) == b'{"patient":true}'


def test_a_stopped_receiver_holds_nobody_up(own_stack):
    """What it has in hand is sent again to another one, and has one effect when it goes on."""
    stopped = own_stack.start("receiver", prefetch=1, **HEARTBEAT)
    own_stack.start("getter", **HEARTBEAT)
    rest = Rest(own_stack.start("orchestrator", request_timeout=12, **HEARTBEAT).url)
    stopped.process.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(rest.post, b'{"patient":true}')
        wait_for(lambda: taken_messages(own_stack) == 1)
        own_stack.start("receiver", **HEARTBEAT)
        answer = waiting.result(timeout=30)
    assert answer.status_code == 201, answer.text
    assert answer.elapsed.total_seconds() < 12
    assert taken_messages(own_stack) == 1
    stopped.process.send_signal(signal.SIGCONT)
    wait_for(lambda: messages(own_stack, "messages") == 0)
    assert [each["reference"] for each in rest.list(type="json").json()["objects"]] == [
        answer.json()["reference"]
    ]
    assert rest.content(answer.json()["reference"]) == b'{"patient":true}'


def ready_messages(stack):
    return messages(stack, "messages")


def taken_messages(stack):
    return messages(stack, "messages_unacknowledged")


def messages(stack, which):
    rows = stack.ctl("list_queues", "name", which)
    return next(row[which] for row in rows if row["name"] == "object_write_queue")


def test_the_first_request_is_answered_at_once(stack):
    """Also when it comes before the response queue is there."""
    for _ in range(20):
        orchestrator = stack.daemon("orchestrator").start()
        began = time.monotonic()
        wait_for(lambda: Rest(orchestrator.url).post(b"{}").status_code == 201)
        assert time.monotonic() - began < 2
        orchestrator.kill()


def test_a_getter_killed(own_stack):
    rest = all_three(own_stack)
    reference = rest.store(b"{}")["reference"]
    own_stack.getter.kill()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(rest.content, reference)
        own_stack.start("getter", **HEARTBEAT)
        assert waiting.result(timeout=30) == b"{}"


def test_sigterm_finishes_what_is_in_hand(own_stack):
    rest = all_three(own_stack)
    with Load(rest) as load:
        wait_for(lambda: len(load.stored) > 20)
        second = own_stack.start("receiver", **HEARTBEAT)
        assert own_stack.receiver.terminate() == 0
        before = len(load.stored)
        wait_for(lambda: len(load.stored) > before + 20)
    assert not load.failed
    assert second.terminate() == 0
    load.check()


def test_sigterm_ends_each_program(own_stack):
    all_three(own_stack)
    for daemon in (own_stack.orchestrator, own_stack.getter, own_stack.receiver):
        assert seconds_to_end(daemon) < 9
        assert any(line["event"] == "stopped" for line in daemon.log())


def test_sigterm_answers_the_request_that_waits(own_stack):
    rest = all_three(own_stack, drain_timeout=8)
    own_stack.receiver.kill()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(rest.post, b"[1]")
        wait_for(lambda: ready_messages(own_stack) == 1)
        ending = pool.submit(own_stack.orchestrator.terminate)
        own_stack.start("receiver", **HEARTBEAT)
        assert waiting.result(timeout=30).status_code == 201
        assert ending.result(timeout=30) == 0


def test_sigterm_tells_those_it_cannot_wait_for(own_stack):
    rest = all_three(own_stack, drain_timeout=2)
    own_stack.receiver.process.send_signal(signal.SIGSTOP)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(rest.post, b"[1]")
        wait_for(lambda: taken_messages(own_stack) == 1)
        assert seconds_to_end(own_stack.orchestrator) < 4
        answer = waiting.result(timeout=30)
    refused(answer, 503, "unavailable")


def test_sigterm_does_not_wait_for_a_stopped_store(own_stack, own_store):
    rest = all_three(own_stack, drain_timeout=2)
    own_store.pause()
    with ThreadPoolExecutor() as pool:
        try:
            waiting = pool.submit(rest.post, b"[1]")
            wait_for(lambda: own_stack.receiver.readiness().status_code == 503)
            assert seconds_to_end(own_stack.receiver) < 4
        finally:
            own_store.resume()
        own_stack.start("receiver", **HEARTBEAT)
        # It was given back, or refused because the store is known to be away.
        assert waiting.result(timeout=40).status_code in (201, 503)


def seconds_to_end(daemon):
    began = time.monotonic()
    assert daemon.terminate() == 0
    return time.monotonic() - began


def metrics(daemon):
    return requests.get(f"{daemon.url}/metrics", timeout=10).text


def test_sigterm_does_not_wait_for_a_stopped_broker(own_stack, own_broker):
    all_three(own_stack, drain_timeout=2)
    own_broker.pause()
    try:
        for daemon in (own_stack.orchestrator, own_stack.getter, own_stack.receiver):
            assert seconds_to_end(daemon) < 4
    finally:
        own_broker.resume()


# The broker


def test_the_broker_comes_later(own_stack, own_broker):
    own_broker.stop()
    daemons = [own_stack.daemon(role, **HEARTBEAT).start() for role in ("receiver", "getter", "orchestrator")]
    assert {daemon.readiness().status_code for daemon in daemons} == {503}
    own_broker.start()
    back = time.monotonic()
    rest = Rest(daemons[-1].url)
    wait_for(lambda: rest.post(b"{}").status_code == 201)
    assert time.monotonic() - back < 2


def test_a_silent_broker_in_the_list_costs_nothing(own_stack):
    """It accepts connections and says nothing, and stands first."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        name = f"127.0.0.1:{silent.getsockname()[1]}"
        rest = all_three(own_stack, queue_url=f"amqp://guest:secret@{name},{own_stack.broker_url}")
        assert rest.content(rest.store(b"{}")["reference"]) == b"{}"
        metrics = rest.call("GET", "/metrics").text
    state = 'sangraha_breaker_state{dependency="broker"'
    assert f'{state},endpoint="{name}"}} 2\n' in metrics
    assert f'{state},endpoint="{urlsplit(own_stack.broker_url).netloc.split("@")[-1]}"}} 0\n' in metrics
    assert f"{state}}} 0\n" in metrics
    assert "secret" not in metrics


def test_the_broker_restarts_under_load(own_stack, own_broker):
    rest = all_three(own_stack)
    with Load(rest) as load:
        wait_for(lambda: len(load.stored) > 20)
        own_broker.restart()
        back = time.monotonic()
        before = len(load.stored)
        wait_for(lambda: len(load.stored) > before)
        away = time.monotonic() - back
        before = len(load.stored)
        wait_for(lambda: len(load.stored) > before + 20)
    assert away < 2, f"service again after {away:.2f} s"
    load.check()


def test_what_the_broker_confirmed_survives_it(own_stack, own_broker):
    rest = all_three(own_stack)
    own_stack.receiver.kill()
    answer = rest.post(b'{"durable":true}', headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    own_broker.kill()
    own_broker.start()
    own_stack.start("receiver", **HEARTBEAT)
    done = wait_for(lambda: finished(rest, answer.headers["Location"]), seconds=20)
    assert done["state"] == "done"
    assert rest.content(done["object"]["reference"]) == b'{"durable":true}'


def finished(rest, location):
    answer = rest.operation(location)
    if answer.status_code != 200 or answer.json()["state"] == "pending":
        return None
    return answer.json()


# The store


def test_the_store_comes_later(own_stack, own_store):
    own_store.stop()
    daemons = [own_stack.daemon(role, **HEARTBEAT).start() for role in ("receiver", "getter", "orchestrator")]
    assert {daemon.readiness().status_code for daemon in daemons} == {503}
    own_store.start()
    rest = Rest(daemons[-1].url)
    wait_for(lambda: rest.post(b"{}").status_code == 201)


def test_the_store_goes_and_comes(own_stack, own_store):
    rest = all_three(own_stack)
    reference = rest.store(b"{}")["reference"]
    own_store.kill()
    began = time.monotonic()
    refused(rest.post(b"[]"), 503, "unavailable")
    answer = rest.get(reference)
    assert answer.status_code in (503, 504)
    assert "Retry-After" in answer.headers or answer.status_code == 504
    assert time.monotonic() - began < 65
    wait_for(lambda: own_stack.receiver.readiness().status_code == 503)
    assert requests.get(f"{own_stack.receiver.url}/health/live", timeout=10).status_code == 200
    own_store.start()
    back = time.monotonic()
    wait_for(lambda: rest.post(b"[]").status_code == 201)
    wait_for(lambda: rest.get(reference).status_code == 200)
    assert time.monotonic() - back < 5
    assert rest.content(reference) == b"{}"
