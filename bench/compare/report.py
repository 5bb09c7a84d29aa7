# SPDX-License-Identifier: MIT
"""The table, in Markdown, and the raw numbers behind it."""

import statistics

COLUMNS = (
    "",
    "alone",
    "whole path",
    "ratio (least - most)",
    "by CPU",
    "at least (aim)",
    "own CPU, ms",
    "broker, ms",
    "store: path / alone, ms",
    "load, ms",
    "peak MiB",
)
ROLES = ("receiver", "getter", "orchestrator")
OWN = (*ROLES, "serve")
STORES = ("minio", "stub")
FLOORS = ("sqlite", "files")
PEAK_GOAL = 64
CPU_ROW = "write 4 KB, 16 connections"
CPU_GOAL, CPU_AIM = 0.15, 0.08


def median(values):
    values = list(values)
    return statistics.median(values) if values else None


def number(value, digits=2):
    return "-" if value is None else f"{value:,.{digits}f}"


def mean_cpu(samples, *names):
    """Milliseconds of processor time for one object, the median of the samples."""
    sums = [sum(sample.cpu_ms.get(name, 0) for name in names) for sample in samples]
    return median(sums) if any(name in sample.cpu_ms for sample in samples for name in names) else None


def by_cpu(row):
    """The ratio that there would be if processor time were all that an operation waits for."""
    ratios = [sum(alone.cpu_ms.values()) / sum(path.cpu_ms.values()) for alone, path in row.pairs]
    return "-" if row.beside in FLOORS else number(median(ratios))


def rate(row, samples):
    value = median(row.value(sample) for sample in samples)
    if row.quantity == "latency":
        return f"{value:.2f} ms"
    if row.load.size.endswith("M"):
        return f"{median(sample.said['mb_per_second'] for sample in samples):,.0f} MB/s"
    return f"{value:,.0f}/s"


def peaks(row):
    """The largest of each of our processes in this row."""
    found = {}
    for _, path in row.pairs:
        for name in OWN:
            if name in path.peak_mib:
                found[name] = max(found.get(name, 0), path.peak_mib[name])
    return found


def goal(row, ratio):
    if row.goal is None:
        return ""
    sign = "" if row.quantity == "rate" else "at most "
    aim = f" ({row.aim:g})" if row.aim else ""
    return f"{sign}{row.goal:g}{aim} {'yes' if row.reaches(ratio, row.goal) else '**no**'}"


def own_cpu(paths):
    parts = [mean_cpu(paths, name) for name in ROLES]
    whole = number(mean_cpu(paths, *OWN), 3)
    if None in parts:
        return whole
    return f"{whole} ({' + '.join(number(part, 3) for part in parts)})"


def line(row):
    if row.problem or not row.pairs:
        problem = " ".join((row.problem or "not measured").replace("|", "/").split())
        return (row.name, f"**FAILED**: {problem}", *[""] * (len(COLUMNS) - 2))
    alone, paths = zip(*row.pairs, strict=True)
    ratio = median(row.ratios)
    store = "-"
    if row.beside not in FLOORS:
        store = " / ".join(number(mean_cpu(samples, *STORES), 3) for samples in (paths, alone))
    return (
        row.name,
        ("" if row.beside == "MinIO" else f"{row.beside}: ") + rate(row, alone),
        rate(row, paths),
        f"{ratio:.2f} ({min(row.ratios):.2f} - {max(row.ratios):.2f})",
        by_cpu(row),
        goal(row, ratio),
        own_cpu(paths),
        number(mean_cpu(paths, "broker"), 3),
        store,
        number(mean_cpu(paths, "load"), 3),
        ", ".join(f"{value:.0f}" for value in peaks(row).values()),
    )


def verdict(value, limit):
    return "yes" if value <= limit else "**no**"


def summary(rows):
    """What is not a ratio."""
    measured = [row for row in rows if row.pairs]
    for row in measured:
        if row.name == CPU_ROW:
            own = mean_cpu([path for _, path in row.pairs], *OWN)
            yield (
                f"own CPU per 4 KB write: {own:.3f} ms, at most {CPU_GOAL} ({CPU_AIM}) "
                f"{verdict(own, CPU_GOAL)}"
            )
        elif row.beside in ("stub", "1 receiver"):
            receiver = mean_cpu([path for _, path in row.pairs], "receiver")
            if receiver:
                rate_alone = f"{1000 / receiver:,.0f} objects for each second of processor time"
                yield f"{row.name}: {rate_alone} of the receivers"
    highest = {}
    for row in measured:
        for name, value in peaks(row).items():
            highest[name] = max(highest.get(name, 0), value)
    if highest:
        names = ", ".join(f"{name} {value:.0f}" for name, value in highest.items())
        yield (
            f"peak resident memory, MiB: {names}; at most {PEAK_GOAL} each "
            f"{verdict(max(highest.values()), PEAK_GOAL)}"
        )


def markdown(rows, about):
    cells = [COLUMNS, *(line(row) for row in rows)]
    drawn = ["| " + " | ".join(map(str, row)) + " |" for row in cells]
    drawn.insert(1, "|" + "---|" * len(COLUMNS))
    return "\n".join([about, "", *drawn, "", *(f"- {text}" for text in summary(rows))])


def raw(rows, about, options):
    """All numbers, for who wants to do other things with them."""
    return {
        "about": about,
        "options": options,
        "rows": [
            {
                "name": row.name,
                "beside": row.beside,
                "settings": row.settings,
                "quantity": row.quantity,
                "ratio": median(row.ratios),
                "problem": row.problem,
                "pairs": [[vars(sample) for sample in pair] for pair in row.pairs],
            }
            for row in rows
        ],
    }
