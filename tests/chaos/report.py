# SPDX-License-Identifier: MIT
"""The one table, and what is behind its numbers."""

import re

COLUMNS = ("fault", "requests", "acknowledged", "lost", "duplicated", "late", "recovery (s)")
LOST = ("lost",)
# What is there and should not be.
DUPLICATED = ("duplicated", "visible", "deleted")
LATE = ("late",)


class Line:
    """One line of the table: all rows of one group."""

    def __init__(self, name):
        self.name = name
        self.rows = []

    def cells(self):
        def total(*kinds):
            return sum(row.count(*kinds) for row in self.rows)

        times = [row.recovery for row in self.rows if row.recovery is not None]
        others = sum(len(row.violations) for row in self.rows) - total(*LOST, *DUPLICATED, *LATE)
        name = self.name + (f" (x {len(self.rows)})" if len(self.rows) > 1 else "")
        return (
            name + (" !" * bool(others)),
            sum(row.requests for row in self.rows),
            sum(row.acknowledged for row in self.rows),
            total(*LOST),
            total(*DUPLICATED),
            total(*LATE),
            f"{max(times):.2f}" if times else "-",
        )


def lines_of(rows):
    lines = {}
    for row in rows:
        lines.setdefault(row.group, Line(row.group)).rows.append(row)
    return list(lines.values())


def table(rows):
    """The cells of all lines, the last one of all of them."""
    cells = [line.cells() for line in lines_of(rows)]
    whole = Line("all")
    whole.rows = rows
    return [*cells, whole.cells()]


def text(rows):
    cells = [COLUMNS, *table(rows)]
    widths = [max(len(str(row[n])) for row in cells) for n in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(str(cell).ljust(width) if n == 0 else str(cell).rjust(width)
                  for n, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in cells
    )  # fmt: skip


def markdown(rows, command, date, took):
    lines = [
        f"`{command}`, {date}, {took / 60:.0f} minutes:",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---|" + "---:|" * (len(COLUMNS) - 1),
    ]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in table(rows)]
    return "\n".join(lines) + "\n"


def put_into(page, written):
    """The table between the marks of a page that has them, or a page of the table alone."""
    begin, end = "<!-- table -->", "<!-- end of the table -->"
    before = page.read_text() if page.exists() else ""
    if begin in before and end in before:
        written = before.split(begin)[0] + begin + "\n" + written + end + before.split(end, 1)[1]
    page.write_text(written)


def keep(row, folder):
    """What was found in a schedule, with the ends of the logs; the file."""
    name = re.sub(r"[^a-z0-9.-]+", "-", row.name.lower()).strip("-")
    path = folder / f"{name}.txt"
    found = [str(each) for each in row.violations]
    logs = [f"==== {name}\n{tail}" for name, tail in row.tails.items()]
    path.write_text("\n".join([row.name, *found, "", *logs]) + "\n")
    return path


def summary(row):
    """One line of progress."""
    if row.skipped:
        return f"left out: {row.name}, {row.skipped}"
    state = f"{len(row.violations)} wrong" if row.violations else "ok"
    recovery = f", recovery {row.recovery:.2f} s" if row.recovery is not None else ""
    return f"{state}: {row.name}: {row.requests} requests, {row.acknowledged} acknowledged{recovery} ({row.seconds:.1f} s)"


def tap(number, row):
    """The row as one case of a TAP stream."""
    if row.skipped:
        return f"ok {number} - {row.name} # SKIP {row.skipped}"
    if row.violations and row.count("not reached") == len(row.violations):
        # A short run has no time to try again; the whole one counts it.
        return f"ok {number} - {row.name} # SKIP not reached in the time of a short run"
    lines = [f"{'not ' * bool(row.violations)}ok {number} - {row.name}"]
    for each in row.violations:
        lines += ["# " + part for part in str(each).splitlines()]
    return "\n".join(lines)
