#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The installed tree is enough: tests/consumer is built against it through pkg-config alone, and runs."""

import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

from tap import ROOT, Skip, Tap, is_sanitized, public_headers, run

BUILD, LIBRARY = Path(sys.argv[1]), Path(sys.argv[2])
PROGRAMS = sys.argv[3:]


class Installed:
    """`meson install` into a folder of its own, with the environment that finds it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        done = run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", self.folder)
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        self.prefix = next(self.folder.rglob("include/sangraha")).parents[1]
        self.libraries = next(self.folder.rglob("libsangraha.so")).parent
        self.env = {
            **os.environ,
            "PKG_CONFIG_PATH": str(next(self.folder.rglob("sangraha.pc")).parent),
            "PKG_CONFIG_SYSROOT_DIR": str(self.folder),
            "LD_LIBRARY_PATH": str(self.libraries),
        }

    def flags(self, *packages):
        done = run("pkg-config", "--cflags", "--libs", *packages, env=self.env)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return shlex.split(done.stdout)


def compiles_and_runs(installed, compiler, *language):
    program = installed.folder / f"consumer-{compiler}"
    source = ROOT / "tests" / "consumer" / "consumer.c"
    done = run(compiler, *language, source, "-x", "none", *installed.flags("sangraha"), "-o", program)
    if done.returncode:
        yield done.stderr
        return
    done = run(program, env=installed.env)
    if done.returncode or not re.fullmatch(r"\d+\.\d+\.\d+ json [0-9a-f-]{36}\n", done.stdout):
        yield f"exit {done.returncode}: {done.stdout}{done.stderr}"


def headers(installed):
    there = {path.name for path in (installed.prefix / "include" / "sangraha").iterdir()}
    wanted = {path.name for path in public_headers()}
    if not any("orchestrator" in name for name in PROGRAMS):
        wanted.discard("rest.h")
    if there != wanted:
        yield f"installed: {sorted(there)}"


def version(installed):
    header = (installed.prefix / "include" / "sangraha" / "version.h").read_text()
    text = re.search(r'SANGRAHA_VERSION\s+"([^"]+)"', header)[1]
    numbers = re.findall(r"SANGRAHA_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header)
    package = run("pkg-config", "--modversion", "sangraha", env=installed.env).stdout.strip()
    if not text == ".".join(numbers) == package:
        yield f"SANGRAHA_VERSION {text}, its numbers {numbers}, sangraha.pc {package}"


def programs(installed):
    for name in PROGRAMS:
        done = run(installed.prefix / "bin" / name, "--version", env=installed.env)
        if done.returncode or not done.stdout.startswith(f"{name} "):
            yield f"{name} --version: {done.returncode} {done.stdout}{done.stderr}"
        pages = list((installed.prefix / "share" / "man").rglob(f"{name}.8*"))
        if not pages:
            yield f"{name} has no man page"


def sanitized():
    raise Skip("a program without the sanitizer cannot use a library that has it")
    yield


def main():
    tap = Tap()
    if is_sanitized(LIBRARY):
        tap.case("builds and runs", sanitized)
        tap.end()
    with tempfile.TemporaryDirectory() as folder:
        installed = Installed(folder)
        tap.case("builds as C and runs", lambda: compiles_and_runs(installed, "cc", "-x", "c"))
        tap.case("builds as C++ and runs", lambda: compiles_and_runs(installed, "c++", "-x", "c++"))
        tap.case("all public headers are installed", lambda: headers(installed))
        tap.case("the version is one", lambda: version(installed))
        tap.case("the programs are installed with their manuals", lambda: programs(installed))
    tap.end()


main()
