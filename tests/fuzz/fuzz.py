#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Build the fuzz targets and let each look for bytes that break it; `./dev fuzz` calls this.

The result is TAP, a line for each target. What was found before is in build/fuzz/corpus-<target>
and is where the next run begins; what breaks a target is kept in build/fuzz/found.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "fuzz"
BUILD = ROOT / "build" / "fuzz"
FOUND = BUILD / "found"
JOBS = len(os.sched_getaffinity(0))
BUILD_SECONDS = 1800
# Beyond the time that libFuzzer was given: to start, and to merge what it has found.
GRACE_SECONDS = 120

SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
LIMITS = [
    "-max_len=16384",  # bytes; what is new begins small
    "-timeout=20",  # seconds for one input: a hang
    "-rss_limit_mb=1024",
    "-malloc_limit_mb=64",  # in one piece: an allocation without a bound
    "-print_final_stats=1",
]


def targets(pattern):
    names = sorted(path.name for path in (HERE / "corpus").iterdir() if (HERE / f"{path.name}.c").exists())
    words = [word.strip() for word in (pattern or "").split(" or ")]
    return [name for name in names if any(word in name for word in words)]


def has_libfuzzer():
    source = "int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return 0; }"
    with tempfile.TemporaryDirectory() as scratch:
        command = ["clang", "-fsanitize=fuzzer,address,undefined", "-x", "c", "-", "-o", f"{scratch}/probe"]
        try:
            return subprocess.run(command, input=source, capture_output=True, text=True).returncode == 0
        except FileNotFoundError:
            return False


def build():
    """What is wrong; None when the targets are there."""
    if not (BUILD / "build.ninja").exists():
        setup = ["meson", "setup", "--native-file", HERE.parent / "fuzz.ini", BUILD, ROOT]
        done = subprocess.run(setup, capture_output=True, text=True, timeout=BUILD_SECONDS)
        if done.returncode:
            return done.stdout + done.stderr
    command = ["ninja", "-C", BUILD, "fuzz-targets"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS)
    return done.stdout + done.stderr if done.returncode else None


def command_of(name, seconds):
    new = BUILD / f"corpus-{name}"
    new.mkdir(exist_ok=True)
    words = HERE / "dict" / name
    return (
        [BUILD / "tests" / "fuzz" / f"fuzz-{name}", f"-max_total_time={seconds}", *LIMITS]
        + [f"-artifact_prefix={FOUND}/{name}-"]
        + ([f"-dict={words}"] if words.exists() else [])
        + [new, HERE / "corpus" / name]
    )


class Runs:
    """The targets that run now; all end when we are told to."""

    def __init__(self):
        self.lock = threading.Lock()
        self.processes = set()
        self.ended = False

    def run(self, command, timeout):
        with self.lock:
            if self.ended:
                return -signal.SIGTERM, "not begun"
            process = subprocess.Popen(
                [str(word) for word in command],
                cwd=BUILD,
                env={**os.environ, **SANITIZERS},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            self.processes.add(process)
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
        with self.lock:
            self.processes.discard(process)
        return process.returncode, out

    def end(self):
        with self.lock:
            self.ended = True
            for process in self.processes:
                process.kill()


def statistic(out, name):
    found = re.search(rf"stat::{name}:\s*(\d+)", out)
    return int(found[1]) if found else 0


def told(name, status, out, seconds):
    """The line about a run, and what explains it when something was found."""
    edges = re.findall(r"cov: (\d+)", out)
    numbers = (
        f"{statistic(out, 'number_of_executed_units')} inputs in {seconds:.0f} s,"
        f" {edges[-1] if edges else 0} edges, {statistic(out, 'new_units_added')} new inputs"
    )
    if status == 0:
        return f"{name}: {numbers}", []
    kept = re.search(r"Test unit written to (\S+)", out)
    where = os.path.relpath(kept[1], ROOT) if kept else "no input was kept"
    noise = re.compile(r"#\d+\t|INFO:|stat::|NOTE:|\s*$")
    explained = [line for line in out.splitlines() if not noise.match(line)]
    return f"{name}: found {where}", explained[-60:]


class Report:
    def __init__(self):
        self.lock = threading.Lock()
        self.count = 0
        self.failed = False

    def add(self, text, good, explained=()):
        with self.lock:
            self.count += 1
            self.failed |= not good
            print(f"{'' if good else 'not '}ok {self.count} - {text}")
            for line in explained:
                print(f"# {line}")
            sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(prog="./dev fuzz", description="Fuzz every parser.")
    parser.add_argument("seconds", nargs="?", type=int, default=60, help="for each target (60)")
    parser.add_argument("-k", metavar="PATTERN", help="only targets whose name contains PATTERN (\"a or b\" works)")
    options = parser.parse_args()
    if options.seconds < 1:
        parser.error("a target needs at least a second")

    report = Report()
    runs = Runs()

    def stop(number, frame):
        runs.end()
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)

    if not has_libfuzzer():
        print("there is no clang with libFuzzer (in Debian: clang, libclang-rt-dev)", file=sys.stderr)
        return 77
    names = targets(options.k)
    print(f"1..{len(names)}", flush=True)
    problem = build()
    if problem:
        report.add("build", False, problem.splitlines()[-60:])
        return 1
    FOUND.mkdir(exist_ok=True)

    def fuzz(name):
        started = time.monotonic()
        status, out = runs.run(command_of(name, options.seconds), options.seconds + GRACE_SECONDS)
        text, explained = told(name, status, out, time.monotonic() - started)
        report.add(text, status == 0, explained)

    with ThreadPoolExecutor(JOBS) as pool:
        for future in [pool.submit(fuzz, name) for name in names]:
            future.result()
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
