#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Valgrind watches a few rounds of lifecycle.c: not a byte is lost, none is read that was not written."""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "hygiene"))
from tap import Skip, Tap, is_sanitized, run  # noqa: E402

LIBRARY, PROGRAM = sys.argv[1], sys.argv[2]
ROUNDS = 5
VALGRIND = ["valgrind", "-q", "--leak-check=full", "--error-exitcode=99"]


def clean():
    if is_sanitized(LIBRARY):
        raise Skip("the sanitizer sees to it")
    if not shutil.which("valgrind"):
        raise Skip("there is no valgrind")
    done = run(*VALGRIND, PROGRAM, ROUNDS)
    if done.returncode:
        yield f"exit {done.returncode}\n{done.stdout}{done.stderr[-8000:]}"


tap = Tap()
tap.case("memcheck finds nothing", clean)
tap.end()
