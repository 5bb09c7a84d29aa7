#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each fail-point has a name of its own, and the README of its folder tells what is there after it."""

import re
import sys

from tap import ROOT, Skip, Tap, run

LIBRARY = sys.argv[1]
ARMED = sys.argv[2] == "true"
LABEL = r"[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*"


def points():
    """File, line number and argument of each, but where the macro is made."""
    for path in sorted((ROOT / "lib").rglob("*.[ch]")):
        if path.name == "failpoint.h":
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for argument in re.findall(r"\bSGH_FAIL_POINT\(([^)]*)\)", line):
                yield path, number, argument


def labels(folder):
    return {argument.strip('"') for path, _, argument in points() if path.parent == folder}


def told(folder):
    """The labels in a README, in its tables and elsewhere: of this folder's operations, and no names of files."""
    readme = folder / "README.md"
    text = readme.read_text() if readme.exists() else ""
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    operations = {label.split(".")[0] for label in labels(folder)}

    def known(found):
        return {label for label in found
                if label.split(".")[0] in operations and not re.search(r"\.(?:c|h|db|lock|md)$", label)}

    return known(re.findall(f"`({LABEL})`", rows)), known(re.findall(f"`({LABEL})`", text))


def folders():
    return sorted({path.parent for path, _, _ in points()})


def names():
    for path, number, argument in points():
        if not re.fullmatch(f'"{LABEL}"', argument):
            yield f"{path.relative_to(ROOT)}:{number}: {argument} is not a literal \"operation.step\""


def once():
    seen = {}
    for path, number, argument in points():
        place = f"{path.relative_to(ROOT)}:{number}"
        if argument in seen:
            yield f"{place}: {argument} is at {seen[argument]} already"
        seen.setdefault(argument, place)


def explained():
    for folder in folders():
        for label in sorted(labels(folder) - told(folder)[0]):
            yield f"{folder.relative_to(ROOT)}/README.md: no table has {label}"


def existing():
    for folder in folders():
        for label in sorted(told(folder)[1] - labels(folder)):
            yield f"{folder.relative_to(ROOT)}/README.md: there is no {label}"


def release():
    """Empty unless the build asks for it."""
    symbols = run("nm", LIBRARY).stdout
    if not symbols:
        raise Skip("the library has no symbols left to look at")
    if ("sgh_fail_point" in symbols) != ARMED:
        yield f"{LIBRARY}: {'no ' if ARMED else ''}sgh_fail_point, with -Dfail_points={str(ARMED).lower()}"


def preprocessed():
    """What a release compiles of each: nothing that is done."""
    source = '#include "base/failpoint.h"\nvoid step(void);\nvoid step(void)\n{\n\tSGH_FAIL_POINT("put.stored");\n}\n'
    for options, wanted in ([], False), (["-DSGH_WITH_FAIL_POINTS"], True):
        out = run(*sys.argv[3:], "-std=gnu11", "-I", ROOT / "lib", *options, "-E", "-P", "-xc", "-", input=source)
        if out.returncode:
            yield out.stderr
        elif ("put.stored" in out.stdout) != wanted:
            yield f"with {options or 'no options'}: {out.stdout}"


tap = Tap()
tap.case("a label is a literal, operation.step", names)
tap.case("each label is there once", once)
tap.case("each label is in a table of its folder's README", explained)
tap.case("no README tells of a label that is not there", existing)
tap.case("a library has fail-points only if it was asked for", release)
tap.case("without the option nothing is compiled", preprocessed)
tap.end()
