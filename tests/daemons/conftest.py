# SPDX-License-Identifier: MIT
"""Servers, programs and clients for the tests; run.py sets where the servers are, else they are started."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "live"))
import servers  # noqa: E402
from harness import Rest, Stack, program  # noqa: E402


def pytest_collection_modifyitems(items):
    """Without the programs there is nothing to test."""
    missing = [role for role in ("receiver", "getter", "orchestrator") if not program(role).exists()]
    if missing and not servers.must_have_servers():
        for item in items:
            item.add_marker(pytest.mark.skip(reason=f"not built: {', '.join(missing)}"))


@pytest.fixture(scope="session")
def live():
    """Where broker and store are, as tests/live/servers.py tells it."""
    wanted = ("SANGRAHA_TEST_AMQP_URL", "SANGRAHA_TEST_MINIO_URL")
    if all(os.environ.get(name) for name in wanted):
        yield dict(os.environ)
        return
    with servers.Servers() as started:
        missing = {name: why for name, why in started.problems.items() if name != "versitygw"}
        if missing:
            report = pytest.fail if servers.must_have_servers() else pytest.skip
            report("; ".join(f"no {name}: {why}" for name, why in missing.items()))
        yield started.environment()


def stack_on(live):
    """A stack in a virtual host of its own: other tests of this broker declare the same queues."""
    ctl, vhost = live["SANGRAHA_TEST_RABBITMQCTL"], f"t{secrets.token_hex(4)}"
    for command in (["add_vhost", vhost], ["set_permissions", "-p", vhost, "guest", ".*", ".*", ".*"]):
        subprocess.run([ctl, "-q", *command], check=True, timeout=60, capture_output=True)
    return Stack(
        live["SANGRAHA_TEST_AMQP_URL"].rsplit("/", 1)[0] + f"/{vhost}",
        live["SANGRAHA_TEST_MINIO_URL"],
        live["SANGRAHA_TEST_S3_ACCESS_KEY"],
        live["SANGRAHA_TEST_S3_SECRET_KEY"],
        ctl,
    )


@pytest.fixture(scope="session")
def stack(live):
    """All three programs, shared by the tests that disturb nobody."""
    made = stack_on(live)
    try:
        made.receiver, made.getter, made.orchestrator = made.start("receiver", "getter", "orchestrator")
        yield made
    finally:
        made.close()


@pytest.fixture
def empty_stack(live):
    """A stack without programs."""
    made = stack_on(live)
    yield made
    made.close()


@pytest.fixture(scope="session")
def rest(stack):
    return Rest(stack.orchestrator.url)


@pytest.fixture(scope="module")
def own_broker():
    """A broker that the module's tests may stop; each leaves it running."""
    with servers.RabbitMQ() as broker:
        yield broker


@pytest.fixture(scope="module")
def own_store():
    with servers.MinIO() as store:
        yield store


@pytest.fixture
def own_stack(own_broker, own_store):
    """A stack on servers that may be stopped."""
    for server in (own_broker, own_store):
        if not server.processes:
            server.start()
    made = Stack(
        own_broker.url, own_store.url, own_store.access_key, own_store.secret_key, own_broker.ctl_path
    )
    yield made
    made.close()
