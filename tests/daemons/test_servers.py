# SPDX-License-Identifier: MIT
"""Other servers than the usual ones: the broker over TLS, plain S3, several addresses."""

import pytest
import samples
from harness import Rest, Stack, wait_for


def needs(live, name):
    if not live.get(name):
        pytest.skip(f"{name} is not set")
    return live[name]


def exercise(rest):
    """One of everything."""
    data = samples.picture("PNG")
    stored = rest.store(data, filename="संग्रह.png", headers={"Sangraha-Meta-who": "me"})
    assert rest.content(stored["reference"]) == data
    assert rest.stat(stored["reference"]).json() == stored
    assert stored in rest.list(type="image").json()["objects"]
    key = {"Idempotency-Key": "k"}
    assert rest.post(b"[1]", headers=key).status_code == 201
    assert rest.post(b"[1]", headers=key).headers["Idempotency-Replayed"] == "true"
    assert rest.post(b"[2]", headers=key).status_code == 409
    assert rest.delete(stored["reference"]).status_code == 204
    assert rest.get(stored["reference"]).status_code == 404


def test_a_broker_over_tls(live, empty_stack):
    # By name: rabbitmq-c does not look for addresses in certificates.
    base = needs(live, "SANGRAHA_TEST_AMQPS_URL").rsplit("/", 1)[0].replace("127.0.0.1", "localhost")
    url = base + "/" + empty_stack.broker_url.rsplit("/", 1)[1]
    settings = {"queue_url": url, "queue_ca_file": needs(live, "SANGRAHA_TEST_AMQP_CA")}
    started = empty_stack.start("receiver", "getter", "orchestrator", **settings)
    exercise(Rest(started[-1].url))


def test_a_broker_that_nobody_vouches_for(live, empty_stack):
    url = needs(live, "SANGRAHA_TEST_AMQPS_URL")
    daemon = empty_stack.daemon("receiver", queue_url=url).start()
    wait_for(lambda: any(line["role"] == "queue" and line["level"] == "warn" for line in daemon.log()))
    assert daemon.readiness().status_code == 503
    assert "guest:guest" not in daemon.stderr()


def test_a_plain_s3_store(live, empty_stack):
    url = needs(live, "SANGRAHA_TEST_VERSITY_URL")
    started = empty_stack.start("receiver", "getter", "orchestrator", store_url=url)
    exercise(Rest(started[-1].url))


def test_several_addresses(live, empty_stack):
    """The first of each is not there."""
    gone = "amqp://guest:guest@127.0.0.1:1/" + empty_stack.broker_url.rsplit("/", 1)[1]
    settings = {
        "queue_url": f"{gone},{empty_stack.broker_url}",
        "store_url": f"{empty_stack.store_url},{empty_stack.store_url}",
    }
    started = empty_stack.start("receiver", "getter", "orchestrator", **settings)
    exercise(Rest(started[-1].url))


def test_wrong_credentials_are_said(live, empty_stack):
    daemon = empty_stack.daemon("receiver", store_secret_key="wrong-secret").start()
    wait_for(lambda: any(line["event"] == "not_ready" for line in daemon.log()))
    assert daemon.readiness().status_code == 503
    assert "wrong-secret" not in daemon.stderr()


def test_two_stacks_on_one_broker_do_not_meet(live, stack, rest, empty_stack):
    other = empty_stack.start("receiver", "getter", "orchestrator")
    reference = rest.store(b"{}")["reference"]
    assert Rest(other[-1].url).get(reference).status_code == 404
    assert isinstance(empty_stack, Stack) and empty_stack.prefix != stack.prefix
