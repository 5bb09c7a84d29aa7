#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sangraha as a subproject of another meson project: `dependency('sangraha')` falls back to it."""

import json
import sys
import tempfile
from pathlib import Path

from tap import ROOT, Skip, Tap, is_sanitized, run

PROJECT = """project('consumer', 'c', default_options: ['c_std=c99', 'warning_level=3', 'werror=true'])
sangraha = dependency(
  'sangraha',
  fallback: 'sangraha',
  default_options: ['tests=false', 'daemons=disabled', 'rest=disabled'],
)
executable('consumer', 'consumer.c', dependencies: sangraha)
"""


def tracked():
    done = run("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if done.returncode:
        raise Skip("this tree is not under git, which would say what belongs to it")
    return [Path(name) for name in done.stdout.split("\0") if name]


def make_project(folder):
    """A project of one program, with the files of this tree below subprojects/."""
    (folder / "meson.build").write_text(PROJECT)
    (folder / "consumer.c").write_text((ROOT / "tests" / "consumer" / "consumer.c").read_text())
    for name in tracked():
        link = folder / "subprojects" / "sangraha" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            link.symlink_to(ROOT / name)


def builds(folder):
    make_project(folder)
    commands = (
        # Without optimisation, as only whether it builds is of interest.
        ["meson", "setup", "--wrap-mode=forcefallback", "-Dbuildtype=debug", "-Doptimization=0",
         "-Ddebug=false", folder / "build", folder],
        ["ninja", "-C", folder / "build"],
        [folder / "build" / "consumer"],
    )  # fmt: skip
    for command in commands:
        done = run(*command)
        if done.returncode:
            yield f"{command[0]}: {done.stdout[-5000:]}{done.stderr}"
            return


def leaves_alone(folder):
    """What is not asked for is not built."""
    for target in json.loads(run("meson", "introspect", "--targets", folder / "build").stdout):
        is_whole = target["type"] in ("executable", "shared library")
        if is_whole and target["name"] not in ("consumer", "sangraha"):
            yield f"{target['name']} is built"


def main():
    tap = Tap()
    if is_sanitized(sys.argv[1]):
        tap.case("builds and runs", sanitized)
        tap.end()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tap.case("builds and runs", lambda: builds(folder))
        tap.case("builds nothing else", lambda: leaves_alone(folder))
    tap.end()


def sanitized():
    raise Skip("once is enough, without a sanitizer")
    yield


main()
