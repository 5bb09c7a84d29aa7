# SPDX-License-Identifier: MIT
"""How the programs start and end, without any server."""

import json
import resource
import socket

import pytest
import requests
from harness import Daemon, name, wait_for

ROLES = ["receiver", "getter", "orchestrator", "serve"]
NOWHERE = {
    "SANGRAHA_QUEUE_URL": "amqp://guest:guest@127.0.0.1:1/%2F",
    "SANGRAHA_STORE_URL": "s3+http://127.0.0.1:1",
}


@pytest.fixture
def spawned():
    """Daemons that the test starts, ended with it."""
    made = []

    def spawn(role, *flags, **environment):
        made.append(Daemon(role, NOWHERE | environment, *flags))
        return made[-1]

    yield spawn
    for each in made:
        each.kill()


def complaint(daemon):
    """It ended as one does over a mistake in its configuration; its sentence."""
    status, out, err = daemon.spawn().finish()
    assert status == 2 and out == "", (status, out, err)
    return sentence(daemon, err)


def sentence(daemon, err):
    """What it says in plain words, between the lines of the log."""
    said = [line for line in err.splitlines() if not line.startswith("{")]
    assert len(said) == 1 and said[0].startswith(f"{name(daemon.role)}: "), err
    return said[0]


@pytest.mark.parametrize("role", ROLES)
def test_help_and_version(spawned, role):
    status, out, err = spawned(role, "--help").spawn().finish()
    assert status == 0 and "--queue-url" in out and err == ""
    status, out, _ = spawned(role, "--version").spawn().finish()
    assert status == 0 and out.startswith(f"{name(role)} 0.")


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--worker", "3"], "--workers"),
        (["--workers", "abc"], "--workers: 'abc' is not a number"),
        (["--drain-timeout=soon"], "--drain-timeout: 'soon' is not a time"),
        (["--inline-limit", "8M"], "memory-limit"),
        (["--config", "/no/such/file"], "/no/such/file"),
        (["--queue-url"], "--queue-url"),
        (["--queue-url", "http://127.0.0.1"], "queue"),
        (["--queue-url", "amqp://u:s3cret@127.0.0.1:port/"], ""),
        (["extra"], "'extra'"),
    ],
)
@pytest.mark.parametrize("role", ROLES)
def test_bad_flags(spawned, role, flags, said):
    complained = complaint(spawned(role, *flags))
    assert said in complained and "s3cret" not in complained


def test_bad_environment_and_file(spawned, tmp_path):
    assert "SANGRAHA_WORKERS: " in complaint(spawned("receiver", SANGRAHA_WORKERS="x"))
    (tmp_path / "s.ini").write_text("# one\n\nworkers = x\n")
    assert "s.ini:3: workers: " in complaint(spawned("receiver", "--config", str(tmp_path / "s.ini")))


def test_bad_stores(spawned):
    assert complaint(spawned("receiver", "--store-url", "ftp://127.0.0.1"))
    assert complaint(spawned("getter", "--store-url", "s3+http://"))


def test_other_programs_settings_are_no_concern(spawned):
    others = {"SANGRAHA_API_TOKEN_FILE": "/no/such", "SANGRAHA_WHATEVER": "1", "SANGRAHA_SPOOL_LIMIT": "x"}
    for role in ("receiver", "getter"):
        assert spawned(role, **others).start().terminate() == 0


def test_an_open_address_needs_a_token(spawned):
    assert "token" in complaint(spawned("orchestrator", "--listen", "0.0.0.0:0"))
    daemon = spawned("orchestrator", "--listen", "0.0.0.0:0", "--insecure").start()
    assert daemon.terminate() == 0


@pytest.mark.parametrize("role", ROLES)
def test_an_address_in_use(spawned, role):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        flag = "--listen" if role in ("orchestrator", "serve") else "--health-listen"
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        daemon = spawned(role, flag, address)
        status, out, err = daemon.spawn().finish()
    assert status == 1 and out == ""
    assert address in sentence(daemon, err)


@pytest.mark.parametrize("role", ROLES)
def test_it_starts_without_its_servers(spawned, role):
    daemon = spawned(role).start()
    assert requests.get(f"{daemon.url}/health/live", timeout=10).status_code == 200
    answer = daemon.readiness()
    assert answer.status_code == 503
    assert "down" in answer.text or "dependencies" in answer.json()
    wait_for(lambda: any(line["event"] == "not_ready" for line in daemon.log()))
    assert daemon.terminate() == 0


def test_it_may_open_all_the_files_it_can(spawned):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        daemon = spawned("orchestrator").start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)


@pytest.mark.parametrize("role", ROLES)
def test_the_log_is_json_lines(spawned, role):
    daemon = spawned(role).start()
    assert daemon.terminate() == 0
    lines = daemon.log()
    listening = next(line for line in lines if line["event"] == "listening")
    assert listening["message"] == daemon.url and listening["role"] == role
    assert all(json.dumps(line) for line in lines)


def test_health_can_be_off(spawned):
    daemon = spawned("receiver", "--health-listen", "off").spawn()
    wait_for(lambda: any(line["event"] == "not_ready" for line in daemon.log()))
    assert daemon.terminate() == 0
    assert daemon.process.stdout.read() == ""


def test_requests_without_a_broker_are_told_so(spawned):
    daemon = spawned("orchestrator", "--request-timeout", "1").start()
    answer = requests.post(f"{daemon.url}/v1/objects", data=b"{}", timeout=10)
    assert answer.status_code in (503, 504)
    assert answer.json()["code"] in ("unavailable", "timeout")
