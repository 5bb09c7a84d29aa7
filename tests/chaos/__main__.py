# SPDX-License-Identifier: MIT
"""`./dev chaos`: faults under load, in several lanes at once, and one table."""

import argparse
import multiprocessing
import os
import queue
import secrets
import shutil
import sys
import time
import traceback
from pathlib import Path

import servers
from harness import ROOT, program

from . import faults, report, schedules
from .lane import Lane, Row
from .ledger import Violation

FOLDER = ROOT / "build" / "chaos" / "found"
GROUP = 20  # schedules after which everything is checked
SCHEDULES = 500
SHORT_SCHEDULES = 4
PATIENCE = 30  # seconds for a place that hardly anybody comes by


def main():
    options = arguments()
    if why := missing():
        return give_up(options, why)
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    if not options.short:
        faults.FailPoint.patience = PATIENCE
    make = schedules.short if options.short else schedules.full
    plan = schedules.matching(make(options.seed, options.schedules), options.k)
    if not plan:
        return give_up(options, "there is no such schedule")
    print(f"chaos: {len(plan)} schedules, --seed {options.seed}", flush=True)
    servers.exit_on_signals()
    started = time.monotonic()
    rows = Lanes(options, plan).run()
    return finish(options, rows, time.monotonic() - started)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev chaos", description="Faults under load, and what they cost.")
    parser.add_argument("--short", action="store_true", help="what fits into three minutes")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="of everything that is random")
    parser.add_argument("--schedules", type=int, metavar="N", help=f"random ones ({SCHEDULES})")
    parser.add_argument("-k", metavar="PATTERN", help='only those whose name contains it ("a or b" works)')
    parser.add_argument("--lanes", type=int, default=3, help="how many deployments at once (3)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where details are kept")
    parser.add_argument("--within", type=float, metavar="SECONDS", help="begin nothing after that time")
    parser.add_argument("--tap", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.until = time.monotonic() + options.within if options.within else None
    if options.schedules is None:
        options.schedules = SHORT_SCHEDULES if options.short else SCHEDULES
    return options


def give_up(options, why):
    if options.tap:
        print(f"1..0 # SKIP {why}")
    print(f"chaos: {why}", file=sys.stderr)
    return 77


def missing():
    """Why it cannot be run here, or None."""
    roles = ("receiver", "getter", "orchestrator", "serve")
    if unbuilt := [role for role in roles if not program(role).exists()]:
        return f"not built: {', '.join(unbuilt)}"
    try:
        for kind in (servers.RabbitMQ, servers.MinIO):
            kind().close()
    except servers.Unavailable as problem:
        return str(problem)
    return None


class Lanes:
    """Processes that each take one group of schedules after another."""

    def __init__(self, options, plan):
        self.options = options
        context = multiprocessing.get_context("fork")
        self.results = context.Queue()
        self.running = []
        kinds = sorted({each.kind for each in plan})
        for kind in kinds:
            work = context.Queue()
            groups = grouped([each for each in plan if each.kind == kind])
            for group in groups:
                work.put(group)
            for _ in range(min(self.lanes_of(kind, kinds), len(groups))):
                work.put(None)
                number = len(self.running) + 1
                self.running.append(
                    context.Process(target=lane, args=(kind, number, options, work, self.results))
                )

    def lanes_of(self, kind, kinds):
        """One is enough for the embedded default."""
        if kind == "embedded":
            return 1
        return max(1, self.options.lanes - (len(kinds) - 1))

    def run(self):
        rows, left = [], len(self.running)
        for each in self.running:
            each.start()
        try:
            while left:
                try:
                    row = self.results.get(timeout=5)
                except queue.Empty:
                    left = sum(each.is_alive() for each in self.running)
                    continue
                if row is None:
                    left -= 1
                    continue
                rows.append(row)
                self.tell(len(rows), row)
            for each in self.running:
                each.join(60)
        finally:
            for each in self.running:
                if each.is_alive():
                    each.terminate()
            for each in self.running:
                each.join(60)
        rows += [broken(each.name, f"ended with {each.exitcode}") for each in self.running if each.exitcode]
        return rows

    def tell(self, number, row):
        if row.violations:
            path = report.keep(row, self.options.folder)
        if self.options.tap:
            print(report.tap(number, row), flush=True)
            return
        print(f"chaos: {report.summary(row)}", flush=True)
        for each in row.violations[:3]:
            print(f"    {str(each)[:300]}", flush=True)
        if row.violations:
            print(f"    details: {path}", flush=True)


def broken(name, problem):
    row = Row(name, "harness")
    row.violations.append(Violation("harness", problem))
    return row


def grouped(plan):
    """What wants a new folder comes first in its group, when everything was checked and removed."""
    groups = []
    for each in plan:
        if not groups or len(groups[-1]) == GROUP or each.fresh:
            groups.append([])
        groups[-1].append(each)
    return groups


def lane(kind, number, options, work, results):
    """What one process does."""
    servers.exit_on_signals()
    os.setpgid(0, 0)  # the first process tells it to end
    parent, made = os.getppid(), None

    def run(act, *arguments):
        """The row of a schedule or, when the harness fails, of that, and then a new deployment."""
        nonlocal made
        try:
            made = made or Lane(kind, options.folder / f"lane-{number}", f"{options.seed} {number}")
            results.put(act(made, *arguments))
        except Exception:
            results.put(broken(f"lane {number}", traceback.format_exc()))
            if made:
                made.is_broken = True
        if made and made.is_broken:
            made.close()
            made = None

    try:
        while (group := work.get()) and os.getppid() == parent:
            for schedule in group:
                if options.until and time.monotonic() > options.until:
                    results.put(Row(schedule.name, schedule.group, skipped="there was no time left"))
                    continue
                run(Lane.run, schedule)
                if made and made.deployment.small.is_crowded():
                    run(Lane.finish, f"everything after {schedule.name}")
            run(Lane.finish, f"everything after {group[-1].name}")
    finally:
        with servers.deaf():
            if made:
                made.close()
        results.put(None)
        results.close()
        results.join_thread()
        os._exit(0)  # whatever threads still wait for


def finish(options, rows, took):
    rows.sort(key=lambda row: row.group)
    wrong = [row for row in rows if row.violations]
    if options.tap:  # told as skipped there
        wrong = [row for row in wrong if row.count("not reached") < len(row.violations)]
    if options.tap:
        print(f"1..{len(rows)}")
        print("\n".join(f"# {line}" for line in report.text(rows).splitlines()))
        return 1 if wrong else 0
    print(f"\n{report.text(rows)}\n")
    for row in wrong:
        for each in row.violations:
            print(f"{row.name}: {each}")
    print(f"chaos: {len(rows)} schedules and checks in {took:.0f} s, {len(wrong)} with violations, --seed {options.seed}")
    if options.markdown:
        command = " ".join(["./dev chaos", *sys.argv[1:]])
        report.put_into(options.markdown, report.markdown(rows, command, time.strftime("%Y-%m-%d"), took))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
