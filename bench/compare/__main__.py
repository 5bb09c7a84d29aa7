# SPDX-License-Identifier: MIT
"""`./dev bench`: the whole path beside the store alone, in turns, and one table."""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import servers

from . import bench, machine, report, rows
from .programs import BUILD


def arguments():
    parser = argparse.ArgumentParser(
        prog="./dev bench", description="How fast it is, beside the store that it stands on."
    )
    parser.add_argument("--quick", action="store_true", help="3 short pairs: the order of magnitude")
    parser.add_argument("--all", action="store_true", help="also among a million stored objects")
    parser.add_argument(
        "--only", action="append", metavar="ROW", help="rows whose name contains ROW; can be given again"
    )
    parser.add_argument("--list", action="store_true", help="name the rows and do nothing")
    parser.add_argument("--pairs", type=int, metavar="N", help="of measurements for each row (5)")
    parser.add_argument("--seconds", type=float, metavar="S", help="of each measurement (5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the raw numbers there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument(
        "--dir", type=Path, default=Path("/var/tmp"), help="where data go: on a real disk (/var/tmp)"
    )
    options = parser.parse_args()
    options.pairs = options.pairs or (3 if options.quick else 5)
    options.seconds = options.seconds or (1 if options.quick else 5)
    options.warm_up = options.seconds / 5
    options.large = 4 if options.quick else 16
    options.powers = 6 if options.all else 4 if options.quick else 5
    options.dir = options.dir.resolve()
    return options


def chosen(options):
    return [
        row
        for row in rows.plan(options)
        if not options.only or any(word in row.name for word in options.only)
    ]


def measured(options, wanted):
    """Run the rows in a folder that is gone afterwards, and tell what came of it."""
    folder = Path(tempfile.mkdtemp(prefix="sangraha-bench-", dir=options.dir))
    try:
        folder.chmod(0o755)  # the broker has a user of its own
        tempfile.tempdir = str(folder)
        about = machine.describe(folder)
        bench.note(about)
        bench.run(wanted, options.pairs, folder)
        tell(options, wanted, about)
    finally:
        with servers.deaf():
            shutil.rmtree(folder, ignore_errors=True)


def tell(options, wanted, about):
    table = report.markdown(wanted, about)
    print(table, flush=True)
    if options.markdown:
        options.markdown.write_text(table + "\n")
    if options.json:
        told = report.raw(wanted, about, {"pairs": options.pairs, "seconds": options.seconds})
        options.json.write_text(json.dumps(told, indent=1) + "\n")


def main():
    options = arguments()
    wanted = chosen(options)
    if options.list or not wanted:
        print("\n".join(row.name for row in rows.plan(options)))
        return 0 if options.list else 2
    if not (BUILD / "bench" / "bench-load").exists():
        print(f"bench: {BUILD} was not built with -Dbench=true", file=sys.stderr)
        return 2
    if machine.file_system(options.dir)[1] in machine.IN_MEMORY:
        print(f"bench: {options.dir} is in memory; --dir names a folder on a disk", file=sys.stderr)
        return 2
    servers.exit_on_signals()
    measured(options, wanted)
    return 1 if any(row.problem for row in wanted) else 0


if __name__ == "__main__":
    sys.exit(main())
