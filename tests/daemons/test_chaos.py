# SPDX-License-Identifier: MIT
"""What the harness of `./dev chaos` must be right about, so that its table is."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1]))
from chaos import faults  # noqa: E402


class Member:
    """A program that came by a fail-point, and whose end is seen when it was asked for so many times."""

    def __init__(self, asked):
        self.asked = asked
        self.process = SimpleNamespace(pid=4711)
        self.stopped_at = None

    def is_alive(self):
        self.asked -= 1
        return self.asked >= 0

    def is_paused(self):
        return False

    def went_on(self, since):
        return False


@pytest.fixture
def armed(tmp_path):
    """A fault that somebody has come by, and a list of whether that one was alive when it was healed."""
    deployment = SimpleNamespace(points=tmp_path, members=[Member(asked=3)], found=[])
    deployment.heal = lambda: deployment.found.append(deployment.members[0].is_alive())
    fault = faults.FailPoint("put.stored", "kill", hold=0.01)
    fault.begin(deployment)
    (tmp_path / "put.stored").rename(tmp_path / "put.stored.hit")
    with (tmp_path / "put.stored.hit").open("a") as file:
        file.write("\n4711\n")
    return fault, deployment


def test_who_dies_slowly_is_healed_when_dead(armed):
    fault, deployment = armed
    deadline = time.monotonic() + 10
    while not fault.is_over() and time.monotonic() < deadline:
        time.sleep(0.001)
    fault.end(deployment)
    assert deployment.found == [False]


def test_who_came_by_at_the_last_moment_is_healed_when_dead(armed):
    fault, deployment = armed
    fault.end(deployment)
    assert deployment.found == [False]
    assert fault.explain() is None


def test_who_was_not_met_is_told(tmp_path):
    deployment = SimpleNamespace(points=tmp_path, members=[], heal=lambda: None)
    fault = faults.FailPoint("put.stored", "kill")
    fault.begin(deployment)
    fault.end(deployment)
    assert fault.explain() == "not reached"
