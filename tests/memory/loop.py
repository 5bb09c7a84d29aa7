#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the cases of a test program again and again, each time with another allocation failing.

    loop.py CASES PROGRAM

CASES is the library made from cases.c. First each case runs once with nothing failing, to see where
it allocates: a place is the way there, from the fifth function of ours inwards. Then it runs once
for each place, and the first allocation there fails. What a case says then is its own affair: it may
fail. But nothing may crash, hang, or leak, and that is what is judged here, in TAP.

A place is tried in the first case that comes by, and of those that differ further in than the third
function of ours only one. That takes long for all programs: a part of them is tried unless
SANGRAHA_TEST_MEMORY is `each`; or `all`, which also lets the last allocation of a place fail, and from
the first one all; or `deep`, which tries what differs within libraries too, for hours.
SANGRAHA_TEST_MEMORY=<case>:<place>:<n>:<on> tries that.
"""

import collections
import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = [f"{ROOT}/{folder}/" for folder in ("lib", "daemons")]
OWN_WAY = 3
TESTS = f"{ROOT}/tests/"
FAKES = re.compile(r"/tests/support/(memory_|fake_|script|peer|web|broker|samples)")
# What libraries are known to do wrong when they have no memory, as patterns of the way there.
KNOWN = [
    # rabbitmq-c 0.11: amqp_new_connection() loses its buffer, amqp_pool_alloc() the block it cannot note.
    re.compile(r"^\n\?\? librabbitmq\S*\n(sgh_amqp_connect |\?\? librabbitmq)"),
    # glibc does not get over it when it has read no /etc/nsswitch.conf.
    re.compile(r"\n(nss_database_|global_state_allocate|__GI_nss_database_)"),
    # libcrypto 3.0 initialises itself and finds its algorithms at their first use: that happens once
    # only, whether it succeeds or not, crashes in places, and loses what it had.
    re.compile(r"^(\n\?\? libcrypto\S*|\n__pthread_once_slow .*)*\n__pthread_once_slow "),
    re.compile(r"^(\n\?\? libcrypto\S*){6}"),
]
TRIES = 15  # of a program, unless all
AT_ONCE = 6  # as much of the time goes by waiting
HANGS_AFTER_S = 90
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:leak_check_at_exit=0:exitcode=99:allocator_may_return_null=1:"
    "verify_asan_link_order=0:handle_segv=2:handle_sigbus=2:handle_sigfpe=2:handle_sigill=2:handle_abort=2",
    "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=99",
    "LSAN_OPTIONS": "leak_check_at_exit=0",
}


@dataclass(frozen=True)
class Place:
    """Where a case allocates: `calls` times, through `frames`, the innermost first."""

    id: str
    calls: int
    frames: tuple


@dataclass
class Run:
    """One run of a case; `place` is None for the one that only notes."""

    case: int
    place: Place | None
    nth: int
    on: int
    log: Path
    pid: int = 0
    started: float = 0
    status: int | None = None
    hung: bool = False


class Program:
    """A test program whose cases run as told."""

    def __init__(self, cases, program, scratch):
        to_it, commands = os.pipe()
        answers, from_it = os.pipe()
        self.scratch = scratch
        self.count = 0
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$0" 3<&%d 4>&%d' % (to_it, from_it), program],
            pass_fds=(to_it, from_it),
            stdin=subprocess.DEVNULL,
            env={
                **os.environ,
                **SANITIZERS,
                "LD_PRELOAD": str(cases),
                "SANGRAHA_TEST_PATIENCE_MS": "3000",
            },
        )
        os.close(to_it)
        os.close(from_it)
        self.commands = os.fdopen(commands, "w", buffering=1)
        self.answers = answers
        self.rest = b""
        self.lines = collections.deque()
        self.selector = selectors.DefaultSelector()
        self.selector.register(answers, selectors.EVENT_READ)

    def read(self, wait_s):
        """The next answer, None when there is none in time."""
        until = time.monotonic() + wait_s
        while not self.lines:
            if not self.selector.select(max(0, until - time.monotonic())):
                return None
            data = os.read(self.answers, 65536)
            if not data:
                raise RuntimeError("the program ended by itself")
            *lines, self.rest = (self.rest + data).split(b"\n")
            self.lines.extend(line.decode() for line in lines)
        return self.lines.popleft()

    def names(self):
        self.commands.write("list\n")
        names = []
        while (line := self.read(HANGS_AFTER_S)) != "end":
            names.append(line.split(" ", 2)[2])
        return names

    def start(self, run):
        self.count += 1
        run.log = self.scratch / f"{self.count}.log"
        if run.place:
            self.commands.write(f"fail {run.case} {run.place.id} {run.nth} {run.on} {run.log}\n")
        else:
            self.commands.write(f"note {run.case} {run.log}\n")
        run.started = time.monotonic()

    def run_all(self, runs):
        """Run them, a few at once, and yield each when it has ended."""
        waiting, announced, running = collections.deque(runs), collections.deque(), {}
        while waiting or announced or running:
            while waiting and len(announced) + len(running) < AT_ONCE:
                self.start(waiting[0])
                announced.append(waiting.popleft())
            line = self.read(1)
            if line is None:
                self.end_hanging(running)
                continue
            word, pid, *status = line.split()
            if word == "started":
                run = announced.popleft()
                run.pid = int(pid)
                running[run.pid] = run
            else:
                run = running.pop(int(pid))
                run.status = int(status[0])
                # What it started itself.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(run.pid, signal.SIGKILL)
                yield run
                run.log.unlink(missing_ok=True)

    def end_hanging(self, running):
        for run in running.values():
            if time.monotonic() - run.started > HANGS_AFTER_S and not run.hung:
                run.hung = True
                os.kill(run.pid, signal.SIGABRT)
            elif time.monotonic() - run.started > HANGS_AFTER_S + 10:
                os.killpg(run.pid, signal.SIGKILL)

    def close(self):
        self.commands.close()
        self.process.wait(HANGS_AFTER_S)


class Names:
    """Addresses in modules as functions and lines, asked of addr2line once each."""

    def __init__(self):
        self.known = {}

    def learn(self, frames):
        wanted = collections.defaultdict(set)
        for frame in set(frames) - self.known.keys():
            module, _, offset = frame.rpartition("+")
            wanted[module].add(offset)
        for module, offsets in wanted.items():
            for offset, text in zip(offsets, self.ask(module, list(offsets))):
                self.known[f"{module}+{offset}"] = text

    @staticmethod
    def ask(module, offsets):
        if not Path(module).exists():
            return ["?"] * len(offsets)
        # A return address is behind the call.
        lines = "".join(f"{int(offset, 16) - 1:x}\n" for offset in offsets)
        done = subprocess.run(
            ["addr2line", "-f", "-e", module], input=lines, capture_output=True, text=True, check=True
        )
        answer = done.stdout.splitlines()
        where = (re.sub(r" \(discriminator.*", "", line) for line in answer[1::2])
        texts = [f"{function} {os.path.normpath(path)}" for function, path in zip(answer[::2], where)]
        return [text if "??" not in text else f"?? {Path(module).name}" for text in texts]

    def __getitem__(self, frame):
        return self.known[frame]


def parse_places(log):
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("place "):
            _, id, calls, *frames = line.split(" ")
            yield Place(id, int(calls), tuple(frames))


def is_ours(place, names, program):
    """Whether it is the library that allocates, and not a test or what tests put in a part's place."""
    way = "".join(f"\n{names[frame]}" for frame in place.frames)
    if any(known.search(way) for known in KNOWN):
        return False
    ways = [names[frame] for frame in place.frames if frame.startswith(f"{program}+")]
    if ways and not any(folder in ways[0] for folder in OURS):
        return False
    first = next((way for way in ways if TESTS in way), "")
    return not FAKES.search(first)


def note_all(program, count, report):
    """The places of each case."""
    places = {}
    for run in program.run_all([Run(case, None, 0, 0, None) for case in range(count)]):
        places[run.case] = list(parse_places(run.log))
        if run.status != 0 or run.hung:
            report.odd[run.case] = f"without a failing allocation it ends with {tell(run)}"
    return places


def tell(run):
    if run.hung:
        return f"no end after {HANGS_AFTER_S} s"
    if os.WIFSIGNALED(run.status):
        return f"{signal.Signals(os.WTERMSIG(run.status)).name}"
    return f"exit status {os.WEXITSTATUS(run.status)}"


def is_bad(run, log):
    """Whether the library did something wrong; that a test trips over what it did not get is its own way to fail."""
    if run.hung:
        return True
    if not os.WIFSIGNALED(run.status) and os.WEXITSTATUS(run.status) in (0, 1, 2):
        return False
    if "LeakSanitizer" in log:
        return any(not is_tests(stack) for stack in re.split(r"\n(?=\S+ leak of)", log)[1:])
    return not is_tests(log)


def is_tests(report):
    """Whether a sanitizer's report is about a test: its innermost function of the project is one, or was
    handed by one what that did not get."""
    found = re.findall(r"^ +#\d+ \S+ in \S+ (?:\.\./)*(lib|daemons|tests)/", report, re.MULTILINE)
    nothing = re.search(r"null pointer|unknown address 0x0{13}", report)
    return "tests" in found[: 2 if nothing else 1]


def choose(places, names, program, wanted):
    """The runs to make: each place in the first case that comes by."""
    seen = set()
    runs = []
    for case in sorted(places):
        for place in places[case]:
            way = place.id if wanted == "deep" else way_of(place, program)
            if way in seen or not is_ours(place, names, program):
                continue
            seen.add(way)
            runs.append(Run(case, place, 1, 0, None))
            if wanted in ("all", "deep"):
                runs.append(Run(case, place, 1, 1, None))
                if place.calls > 1:
                    runs.append(Run(case, place, place.calls, 0, None))
    if not wanted and len(runs) > TRIES:
        step = len(runs) / TRIES
        runs = [runs[int(i * step)] for i in range(TRIES)]
    return runs


def way_of(place, program):
    """Its innermost functions of the program: where in a library is left aside."""
    own = [frame for frame in place.frames if frame.startswith(f"{program}+")]
    return tuple(own[:OWN_WAY]) or place.id


class Report:
    def __init__(self):
        self.odd = {}
        self.bad = collections.defaultdict(list)
        self.tried = collections.Counter()

    def add(self, run, names):
        self.tried[run.case] += 1
        log = run.log.read_text(errors="replace").replace("\0", "")
        if not is_bad(run, log):
            return
        way = [f"    {names[frame]}" for frame in run.place.frames]
        self.bad[run.case].append(
            [f"{tell(run)}, SANGRAHA_TEST_MEMORY={run.case}:{run.place.id}:{run.nth}:{run.on}; what failed:"]
            + way
            + ["and then:"]
            + log.splitlines()[-60:]
        )
        if os.environ.get("SANGRAHA_TEST_MEMORY"):
            print("\n".join(["BAD"] + self.bad[run.case][-1]), file=sys.stderr, flush=True)

    def print(self, cases):
        failed = False
        for number, name in enumerate(cases):
            wrong = self.bad[number]
            failed = failed or bool(wrong)
            text = f"{name}: {self.tried[number]} allocations failed, {len(wrong)} of them badly"
            print(f"{'not ' if wrong else ''}ok {number + 1} - {text}")
            for lines in wrong[:5]:
                print("\n".join("# " + line for line in lines))
            if number in self.odd:
                print(f"# {self.odd[number]}")
        print(f"1..{len(cases)}")
        return failed


def main():
    cases, path = Path(sys.argv[1]).resolve(), str(Path(sys.argv[2]).resolve())
    wanted = os.environ.get("SANGRAHA_TEST_MEMORY", "")
    report, names = Report(), Names()
    with tempfile.TemporaryDirectory() as scratch:
        program = Program(cases, path, Path(scratch))
        listed = program.names()
        places = {
            case: [
                Place(place.id, place.calls, tuple(f.replace("/proc/self/exe", path) for f in place.frames))
                for place in found
            ]
            for case, found in note_all(program, len(listed), report).items()
        }
        names.learn(frame for found in places.values() for place in found for frame in place.frames)
        if ":" in wanted:
            case, id, nth, on = wanted.split(":")
            place = next(each for each in places[int(case)] if each.id == id)
            runs = [Run(int(case), place, int(nth), int(on), None)]
        else:
            runs = choose(places, names, path, wanted)
        for run in program.run_all(runs):
            report.add(run, names)
        program.close()
    return report.print(listed)


if __name__ == "__main__":
    sys.exit(main())
