#!/usr/bin/env python3
"""Build and run every test; `./dev test` installs what this needs and calls it.

The C programs are run from here rather than by `meson test`, because only so are their cases counted
one by one, with the skips that cmocka 1.1 reports as `not ok`, and shown by name with their reasons.
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "live"))
import servers  # noqa: E402

FUZZ_SECONDS = 5  # for each target
FUZZ_ALL_SECONDS = 1800
PYTEST_SECONDS = 1800
CHAOS_SECONDS = 120  # in which schedules are begun
CHAOS_ALL_SECONDS = 400
PYTEST_CASE_SECONDS = 180
BUILD_SECONDS = 1800
# Most tests wait, for a server or a time limit, more than they compute.
JOBS = 2 * len(os.sched_getaffinity(0))
DAEMON_JOBS = 2
# What reads bytes of others, and what that is made of: these run with the sanitizer each time.
SANITIZED = ("base/", "wire/", "validate/", "http/", "store/s3", "queue/amqp", "memory/", "fuzz/")


@dataclass
class Build:
    """One build folder and how its programs are run."""

    name: str
    options: list
    time_factor: int = 1
    sanitizer: dict = None
    wrapper: tuple = ()

    @property
    def folder(self):
        return ROOT / "build" / self.name


ASAN = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:"
    # cmocka would catch the signal and hide the stack.
    "handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
TSAN = {"TSAN_OPTIONS": "second_deadlock_stack=1"}

TEST_BUILD = Build("test", ["-Dbuildtype=debugoptimized", "-Dwerror=true", "-Dfail_points=true"])
ASAN_BUILD = Build("asan", ["--native-file", "tests/asan.ini"], 4, ASAN)
# Its shadow memory does not fit the address layouts that some kernels choose.
TSAN_BUILD = Build("tsan", ["--native-file", "tests/tsan.ini"], 10, TSAN, ("setarch", "-R"))


@dataclass
class Case:
    name: str
    outcome: str  # passed, failed or skipped
    reason: str = ""  # why it was skipped, or what a failed one printed


@dataclass
class Finished:
    status: int
    out: str
    err: str
    seconds: float
    timed_out: bool = False


class Processes:
    """Runs commands, each in a session of its own, so that all it started can be ended with it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running = set()

    def run(self, command, env=None, cwd=ROOT, timeout=None):
        started = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        with self.lock:
            self.running.add(process)
        timed_out = False
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            end_session(process)
            out, err = process.communicate()
        finally:
            end_session(process)
            process.wait()
            with self.lock:
                self.running.discard(process)
        return Finished(process.returncode, out, err, time.monotonic() - started, timed_out)

    def end_all(self):
        with self.lock:
            for process in self.running:
                end_session(process)


def end_session(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


PROCESSES = Processes()


class Report:
    """What happened, as it happens and in the end."""

    def __init__(self, phases):
        self.cases = []
        self.phases = phases

    @contextlib.contextmanager
    def phase(self, name):
        print(f"== {name}", flush=True)
        started = time.monotonic()
        try:
            yield
        finally:
            self.phases.append((name, time.monotonic() - started))

    def add(self, *cases):
        self.cases.extend(cases)

    def fail(self, name, output):
        print(f"   {name}: failed", flush=True)
        self.add(Case(name, "failed", output))

    def of(self, outcome):
        return [case for case in self.cases if case.outcome == outcome]

    def finish(self):
        for case in self.of("failed"):
            print(f"\nFAILED {case.name}\n{indent(case.reason)}")
        skipped = self.of("skipped")
        if skipped:
            print("\nSkipped:")
            for case in skipped:
                print(f"    {case.name}: {case.reason or 'no reason given'}")
        print("\nSeconds:")
        for name, seconds in self.phases:
            print(f"    {seconds:7.1f}  {name}")
        passed, failed = len(self.of("passed")), len(self.of("failed"))
        if passed + failed == 0:
            print("\nNothing ran.")
        print(f"\n{passed} passed, {failed} failed, {len(skipped)} skipped", flush=True)
        return 1 if failed or passed == 0 else 0


def indent(text, lines=120):
    """The last lines of `text`, set in."""
    kept = text.rstrip().splitlines()
    if len(kept) > lines:
        kept = [f"({len(kept) - lines} lines left out)", *kept[-lines:]]
    return "\n".join("    " + line for line in kept)


# C programs


@contextlib.contextmanager
def only_one():
    """Two runs in one tree build one after the other."""
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def configure_and_build(build, report, choose=None):
    """Whether the build is there; its failure is a failed case. `choose()`: the tests that it is for, but for all."""
    folder = build.folder
    setup = ["meson", "setup", *build.options, folder, ROOT]
    stamp = folder / "dev-setup"
    wanted = " ".join(map(str, setup))
    with report.phase(f"build {build.name}"), only_one():
        if not (folder / "build.ninja").exists() or not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            done = PROCESSES.run(setup, timeout=BUILD_SECONDS)
            if done.status:
                report.fail(f"build {build.name}: configure", done.out + done.err)
                return False
            stamp.write_text(wanted)
        targets = targets_of(build, choose()) if choose else ["all", "meson-test-prereq"]
        done = PROCESSES.run(["ninja", "-C", folder, "-k", "10", *targets], timeout=BUILD_SECONDS)
        if done.status:
            noise = re.compile(r"^(\[\d+/\d+\] |ninja: Entering|cc |gcc |ccache )")
            kept = [line for line in done.out.splitlines() if not noise.match(line)]
            report.fail(f"build {build.name}", "\n".join(kept) + done.err)
            return False
        for line in done.out.splitlines():
            if "warning:" in line:
                print("   " + line)
    return True


def targets_of(build, tests):
    """What these tests depend on, as ninja calls it."""
    done = PROCESSES.run(["meson", "introspect", "--targets", build.folder])
    if done.status:
        raise RuntimeError(done.out + done.err)
    needed = {each for test in tests for each in test["depends"]}
    files = [name for target in json.loads(done.out) if target["id"] in needed for name in target["filename"]]
    return sorted(os.path.relpath(name, build.folder) for name in files)


def tests_of(build, suites, pattern, beginnings=("",)):
    """Meson's description of the tests in any of `suites` (None means all but those of failing
    allocations, whose damage a sanitizer must see) whose name matches, and begins so."""
    done = PROCESSES.run(["meson", "introspect", "--tests", build.folder])
    if done.status:
        raise RuntimeError(done.out + done.err)
    tests = json.loads(done.out)
    for test in tests:
        test["suite"] = {name.rpartition(":")[2] for name in test["suite"]}
    return [
        test
        for test in tests
        if ("memory" not in test["suite"] if suites is None else test["suite"] & suites)
        and matches(test["name"], pattern)
        and test["name"].startswith(beginnings)
    ]


def matches(name, pattern):
    if not pattern:
        return True
    return any(word.strip().lower() in name.lower() for word in pattern.split(" or "))


def run_tests(build, tests, report, extra_env):
    """Run the programs, those that meson calls parallel next to each other."""
    usable = PROCESSES.run([*build.wrapper, "true"]).status == 0 if build.wrapper else False
    wrapper = build.wrapper if usable else ()

    def run(test):
        env = {**os.environ, **extra_env, **test["env"], **(build.sanitizer or {"MALLOC_PERTURB_": "165"})}
        timeout = test["timeout"] * build.time_factor if test["timeout"] > 0 else None
        done = PROCESSES.run(
            [*wrapper, *test["cmd"]], env=env, cwd=test["workdir"] or build.folder, timeout=timeout
        )
        name = test["name"] if build is TEST_BUILD else f"{build.name}: {test['name']}"
        cases = judge(name, test["protocol"], done, timeout)
        print_result(name, cases, done.seconds)
        report.add(*cases)

    together = [test for test in tests if test["is_parallel"]]
    alone = [test for test in tests if not test["is_parallel"]]
    together.sort(key=lambda test: -test["priority"])
    with report.phase(f"run {build.name}"):
        with ThreadPoolExecutor(JOBS) as pool:
            futures = [pool.submit(run, test) for test in together]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                PROCESSES.end_all()
                raise
        for test in alone:
            run(test)


def print_result(name, cases, seconds):
    counts = [
        f"{sum(case.outcome == outcome for case in cases)} {outcome}"
        for outcome in ("passed", "failed", "skipped")
        if any(case.outcome == outcome for case in cases)
    ]
    # One write, as other threads print too.
    print(f"   {name}: {', '.join(counts) or 'no cases'} ({seconds:.1f} s)\n", end="", flush=True)


def judge(name, protocol, done, timeout):
    """The cases of one program that has ended."""
    if protocol == "tap" or re.match(r"(TAP version|1\.\.\d)", done.out):
        cases, complete = parse_tap(name, done.out)
    elif done.status == 77:
        reason = (done.out + done.err).strip().splitlines()
        return [Case(name, "skipped", reason[-1] if reason else "")]
    else:
        cases, complete = [], True

    failed = [case for case in cases if case.outcome == "failed"]
    if done.timed_out:
        problem = f"ended by force after {timeout} s"
    elif done.status < 0:
        problem = f"ended by {signal.Signals(-done.status).name}"
    elif done.status and not failed:
        problem = f"exit status {done.status}"
    elif not complete:
        problem = "some cases did not report"
    elif failed:
        failed[0].reason += stderr_of(done)
        return cases
    else:
        return cases or [Case(name, "passed")]
    said = done.out[-20000:] if not cases else tail(done.out, 15)
    return [*cases, Case(name, "failed", f"{problem}\n{said}{stderr_of(done)}")]


def stderr_of(done):
    return f"\nOn standard error:\n{tail(done.err, 100)}" if done.err.strip() else ""


def tail(text, lines):
    return "\n".join(text.splitlines()[-lines:])


def parse_tap(name, text):
    """The cases in a TAP stream, of several groups perhaps, and whether all that were planned are there.

    cmocka has no place for the reason of a skip: the case prints `# SKIP-REASON <reason>` before it.
    """
    cases, planned, reason = [], 0, ""
    for line in text.splitlines():
        plan = re.match(r"1\.\.(\d+)(?:\s*# *SKIP\S*\s*(.*))?", line, re.IGNORECASE)
        result = re.match(r"(not )?ok\b\s*\d*\s*-?\s*(.*)", line)
        if plan:
            planned += int(plan[1])
            if plan[2] is not None:
                cases.append(Case(name, "skipped", plan[2]))
        elif line.startswith("# SKIP-REASON "):
            reason = line.removeprefix("# SKIP-REASON ")
        elif line.startswith("Bail out!"):
            cases.append(Case(name, "failed", line))
        elif result:
            cases.append(tap_case(name, bool(result[1]), result[2], reason))
            reason = ""
        elif line.startswith("#") and cases and cases[-1].outcome == "failed":
            cases[-1].reason += line + "\n"
    return cases, len(cases) >= max(planned, 1)


def tap_case(name, failed, text, reason):
    skip = re.match(r"(.*?)\s*# *SKIP\S*\s*(.*)", text, re.IGNORECASE)
    if not skip:
        return Case(f"{name}: {text}", "failed" if failed else "passed")
    # cmocka puts the case's name where the reason should be.
    case, reason = (skip[1], skip[2]) if skip[1] else (skip[2], reason)
    return Case(f"{name}: {case}", "skipped", reason.removeprefix(f"{case}: "))


# The rest


def check_format(report, pattern):
    name = "clang-format"
    if not matches(name, pattern):
        return
    folders = [ROOT / each for each in ("lib", "include", "daemons", "examples", "tests", "bench")]
    files = sorted(
        path for folder in folders for path in folder.rglob("*.[ch]") if path.is_file()
    )
    program = shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)
    with report.phase("format"):
        if not program:
            report.add(Case(name, "skipped", "there is no clang-format"))
        elif not (ROOT / ".clang-format").exists():
            report.fail(name, "there is no .clang-format")
        elif files:
            done = PROCESSES.run([program, "--dry-run", "--Werror", *files])
            if done.status:
                report.fail(name, f"run {program} -i on:\n" + "\n".join(misformatted(done.err)))
            else:
                report.add(Case(name, "passed"))


def misformatted(messages):
    """The files in clang-format's messages, each once, with the first line that is wrong."""
    first = {}
    for match in re.finditer(r"^(.+?):(\d+):\d+: error:", messages, re.MULTILINE):
        first.setdefault(os.path.relpath(match[1], ROOT), match[2])
    return [f"{path}:{line}" for path, line in first.items()] or [messages]


def run_pytest(report, extra_env, pattern):
    folder = ROOT / "tests" / "daemons"
    if not any(folder.rglob("test_*.py")):
        return
    name = "daemons"
    with report.phase("run daemons"), tempfile.TemporaryDirectory() as scratch:
        if PROCESSES.run([sys.executable, "-c", "import pytest, pytest_timeout, xdist"]).status:
            reason = "there is no pytest; tests/requirements.txt names what is needed"
            if servers.must_have_servers():
                report.fail(name, reason)
            else:
                report.add(Case(name, "skipped", reason))
            return
        junit = Path(scratch) / "junit.xml"
        done = PROCESSES.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
            + [f"--timeout={PYTEST_CASE_SECONDS}", f"--junitxml={junit}"]
            # All of a file on one of them, as its tests share what they have started.
            + ["-n", DAEMON_JOBS, "--dist", "loadfile"]
            + (["-k", pattern] if pattern else [])
            + [folder],
            env={
                **os.environ,
                **extra_env,
                "SANGRAHA_BUILD": str(TEST_BUILD.folder),
                "PYTHONPATH": str(ROOT / "tests" / "live"),
            },
            timeout=PYTEST_SECONDS,
        )
        cases = parse_junit(junit) if junit.exists() else []
        if done.timed_out:
            cases.append(Case(name, "failed", f"ended by force after {PYTEST_SECONDS} s\n{done.out}"))
        elif done.status not in (0, 5) and not any(case.outcome == "failed" for case in cases):
            cases.append(Case(name, "failed", done.out + done.err))
        report.add(*cases)
        print_result(name, cases, done.seconds)


def run_chaos(report, pattern):
    """Faults under load, as many as fit into three minutes; ./dev chaos goes through all of them."""
    name = "chaos"
    if not matches(name, pattern):
        return
    with report.phase("chaos"):
        command = [sys.executable, "-m", "chaos", "--short", "--lanes", 2, "--within", CHAOS_SECONDS]
        done = PROCESSES.run(
            [*command, "--tap", "--folder", TEST_BUILD.folder / "chaos"],
            env={
                **os.environ,
                "SANGRAHA_BUILD": str(TEST_BUILD.folder),
                "PYTHONPATH": str(ROOT / "tests"),
            },
            timeout=CHAOS_ALL_SECONDS,
        )
        if done.status == 77 and servers.must_have_servers():
            cases = [Case(name, "failed", done.err)]
        else:
            cases = judge(name, "tap", done, CHAOS_ALL_SECONDS)
        print_result(name, cases, done.seconds)
        report.add(*cases)


def parse_junit(path):
    cases = []
    for element in xml.etree.ElementTree.parse(path).iter("testcase"):
        name = f"{element.get('classname')}: {element.get('name')}"
        problems = element.findall("failure") + element.findall("error")
        skipped = element.find("skipped")
        if problems:
            printed = element.findall("system-out") + element.findall("system-err")
            text = "\n".join((each.text or "") for each in problems + printed)
            cases.append(Case(name, "failed", text))
        elif skipped is not None:
            cases.append(Case(name, "skipped", skipped.get("message", "")))
        else:
            cases.append(Case(name, "passed"))
    return cases


def run_fuzz(report, pattern):
    """Each fuzz target for a short time; that long ones are worth it is for who calls ./dev fuzz."""
    name = "fuzzing"
    if not matches(name, pattern):
        return
    with report.phase("fuzz"):
        done = PROCESSES.run(
            [sys.executable, ROOT / "tests" / "fuzz" / "fuzz.py", FUZZ_SECONDS], timeout=FUZZ_ALL_SECONDS
        )
        if done.status == 77 and not servers.must_have_servers():
            cases = [Case(name, "skipped", done.err.strip())]
        else:
            cases = judge(name, "tap", done, FUZZ_ALL_SECONDS)
        print_result(name, cases, done.seconds)
        report.add(*cases)


@contextlib.contextmanager
def live_servers(report):
    """The variables that name the servers. One that cannot be had fails where it could be."""
    with contextlib.ExitStack() as stack:
        with report.phase("start servers"):
            running = stack.enter_context(servers.Servers())
            for name, problem in running.problems.items():
                if servers.must_have_servers():
                    report.fail(f"server {name}", problem)
                else:
                    print(f"   no {name}, so what needs it is skipped: {problem}")
        try:
            yield running.environment()
        finally:
            with report.phase("stop servers"):
                stack.close()


def run_all(report, options):
    pattern = options.k
    check_format(report, pattern)
    if not configure_and_build(TEST_BUILD, report):
        return

    everything = ("",)
    plan = [(TEST_BUILD, None, everything)]
    if options.all:
        suites = {"unit", "fuzz", "live", "conformance"}
        plan += [(ASAN_BUILD, suites | {"memory"}, everything), (TSAN_BUILD, suites, everything)]
    else:
        plan += [(ASAN_BUILD, {"unit", "fuzz", "memory-pure"}, SANITIZED)]

    def wanted(build, suites, beginnings):
        """Whether it has tests, and is there; no pattern should make a sanitizer build for nothing."""
        if build is TEST_BUILD:
            return True
        choose = None if options.all else lambda: tests_of(build, suites, pattern, beginnings)
        return bool(tests_of(TEST_BUILD, suites, pattern, beginnings)) and configure_and_build(build, report, choose)

    plan = [each for each in plan if wanted(*each)]
    with live_servers(report) as env:
        if options.all:
            env = {**env, "SANGRAHA_TEST_KILLS": "100", "SANGRAHA_TEST_MEMORY": "all"}
        for build, suites, beginnings in plan:
            run_tests(build, tests_of(build, suites, pattern, beginnings), report, env)
        run_pytest(report, env, pattern)
    run_chaos(report, pattern)
    if options.all:
        run_fuzz(report, pattern)


def main():
    def seconds_of_phase(text):
        name, _, seconds = text.partition("=")
        return name, float(seconds)

    parser = argparse.ArgumentParser(prog="./dev test", description="Build and run the tests.")
    parser.add_argument("--all", action="store_true", help="also what the sanitizers take longer for")
    parser.add_argument("-k", metavar="PATTERN", help="only tests whose name contains PATTERN")
    parser.add_argument("--phase", action="append", default=[], type=seconds_of_phase, help=argparse.SUPPRESS)
    options = parser.parse_args()

    servers.exit_on_signals()
    report = Report(options.phase)
    try:
        run_all(report, options)
    except Exception:
        report.fail("tests/run.py", traceback.format_exc())
    except BaseException as end:  # a signal came
        report.fail("tests/run.py", f"interrupted: {end!r}")
        report.finish()
        raise
    finally:
        PROCESSES.end_all()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
