# SPDX-License-Identifier: MIT
"""The examples do what they say, as the separate processes that a reader would make of them."""

import os
import re
import signal
import subprocess

import large
import pytest
from conftest import stack_on
from harness import BUILD, ROOT

REFERENCE = r"[a-z]+/[0-9a-f]{8}-[0-9a-f-]{27}"
SECONDS = 60
LOCAL = all((ROOT / "lib" / name).exists() for name in ("queue/local.c", "store/file.c"))


def command(name, *arguments):
    return [str(word) for word in (BUILD / "examples" / name, *arguments)]


class Examples:
    """The two that go on, and how to run the others next to them."""

    def __init__(self, stack):
        self.stack = stack
        self.environment = {
            **os.environ,
            "SANGRAHA_STORE_ACCESS_KEY": stack.access_key,
            "SANGRAHA_STORE_SECRET_KEY": stack.secret_key,
        }
        self.running = {name: self.start(name) for name in ("receiver_with_veto", "getter")}

    def start(self, name):
        return subprocess.Popen(
            command(name, self.stack.broker_url, self.stack.store_url), env=self.environment
        )

    def run(self, name, *arguments, **more):
        return subprocess.run(
            command(name, *arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            **more,
        )

    def close(self):
        for process in self.running.values():
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def examples(live):
    made = Examples(stack_on(live))
    yield made
    made.close()


def test_put_get(examples):
    done = examples.run("put_get", examples.stack.broker_url)
    assert re.fullmatch(rf'{REFERENCE} is {{"hello": "world"}}\n', done.stdout), done.stderr
    assert done.returncode == 0 and done.stderr == ""


def test_put_get_refused(examples):
    done = examples.run("put_get", examples.stack.broker_url, "draft.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "put_get: veto: draft.json: a draft\n"


def test_large(examples, tmp_path):
    source, copy = tmp_path / "large.json", tmp_path / "copy.json"
    body = large.Document(24 * large.MIB)
    source.write_bytes(body.bytes())
    done = examples.run("large", source, copy, examples.stack.broker_url)
    assert re.fullmatch(rf"{REFERENCE} is in {copy}\n", done.stdout), done.stderr
    assert done.returncode == 0 and copy.read_bytes() == source.read_bytes()
    told = done.stderr.splitlines()
    for what in ("sent", "got"):
        assert [line for line in told if line.startswith(what)][-1] == f"{what} {len(body)} of {len(body)} bytes"
    again = examples.run("large", source, copy, examples.stack.broker_url)
    assert again.returncode == 1 and f"{copy}: File exists" in again.stderr


def test_large_refused(examples, tmp_path):
    source, copy = tmp_path / "bad.json", tmp_path / "copy.json"
    body = large.Document(24 * large.MIB, last=b"}")
    source.write_bytes(body.bytes())
    done = examples.run("large", source, copy, examples.stack.broker_url)
    assert (done.returncode, done.stdout, copy.exists()) == (1, "", False)
    assert re.search(rf"^large: json\.\w+ at byte {len(body) - 1}: ", done.stderr, re.M), done.stderr


def test_orchestrator(examples):
    done = examples.run("orchestrator", examples.stack.broker_url, 3000)
    assert re.fullmatch(r"3000 of 3000 stored, \d+ a second\n", done.stdout), done.stderr
    assert done.returncode == 0 and done.stderr == ""


def csv_told(done):
    good, bad = done.stdout.splitlines() or ["", ""]
    assert re.fullmatch(rf'good.csv is {REFERENCE}, {{"records":2,"fields":2}}', good), done.stderr
    why = "record 2 has 3 fields, the first one 2"
    assert bad == f"bad.csv is refused by rule csv.invalid at byte 26: {why}"
    assert done.returncode == 0 and done.stderr == ""


def test_custom_type_on_servers(examples, live):
    stack = stack_on(live)  # receivers of the other one know nothing of CSV
    csv_told(examples.run("custom_type", stack.broker_url, stack.store_url))


@pytest.mark.skipif(not LOCAL, reason="this tree has no local queue and store")
def test_custom_type_in_a_folder(tmp_path):
    done = subprocess.run(
        command("custom_type"), cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS
    )
    csv_told(done)
    assert (tmp_path / "csv-data").is_dir()


def test_says_when_nobody_is_there():
    nowhere = command("put_get", "amqp://guest:guest@127.0.0.1:1/%2F")
    done = subprocess.run(nowhere, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and "127.0.0.1:1" in done.stderr


def test_end_in_good_order(examples):
    """The last one, as it ends what the others need; that an answer comes says that both are at work."""
    assert examples.run("put_get", examples.stack.broker_url).returncode == 0
    for process in examples.running.values():
        process.send_signal(signal.SIGTERM)
    assert [process.wait(20) for process in examples.running.values()] == [0, 0]
