# SPDX-License-Identifier: MIT
"""The count is the last line, whatever happens to `./dev test` and tests/run.py."""

import os
import shutil
import subprocess
import sys

import pytest
from harness import ROOT


@pytest.mark.parametrize("problem, status", [("ValueError('x')", 1), ("SystemExit(143)", 143)])
def test_the_runner_breaks(problem, status):
    code = f"import run\ndef broken(*_): raise {problem}\nrun.run_all = broken\nrun.sys.exit(run.main())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status
    assert done.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 skipped", done.stderr
    assert problem in done.stdout or "ValueError: x" in done.stdout


def test_the_build_packages_are_missing(tmp_path):
    """On a Debian system that has none of them and can install none."""
    for name in ("bash", "readlink", "dirname", "id", "mkdir", "flock", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name))
    (tmp_path / "dpkg-query").symlink_to(shutil.which("false"))
    done = subprocess.run(
        [ROOT / "dev", "test"],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and "librabbitmq-dev" in done.stderr
    assert done.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"
