#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Everything public has a comment that Doxygen finds and understands, and each function says since when it is there."""

import re
import shutil
import sys
import tempfile
from pathlib import Path

from tap import ROOT, Skip, Tap, declared_functions, public_headers, run

TEMPLATE = ROOT / "docs" / "Doxyfile.in"


def configuration(folder):
    values = {"version": "test", "output": folder, "source": ROOT, "python": sys.executable}
    return re.sub(r"@(\w+)@", lambda found: str(values[found[1]]), TEMPLATE.read_text())


def warnings():
    if not shutil.which("doxygen"):
        raise Skip("there is no doxygen")
    with tempfile.TemporaryDirectory() as folder:
        done = run("doxygen", "-", input=configuration(folder), cwd=folder)
        if not (Path(folder) / "html" / "index.html").exists():
            yield "there is no reference"
    yield from done.stderr.strip().splitlines()


def since(header):
    """The comment that ends directly before a function is its own."""
    text = header.read_text()
    for name in sorted(declared_functions(header)):
        comment = re.search(rf"/\*((?:(?!\*/).)*)\*/\n(?:[\w*]+[ \n])*\**{name}\(", text, re.DOTALL)
        if not comment:
            yield f"{header.name}: {name}() has no comment of its own"
        elif not re.search(r"Since: \d+\.\d+\s", comment[1]):
            yield f"{header.name}: {name}() does not say since when it is there"


tap = Tap()
tap.case("Doxygen has no warnings", warnings)
for each in public_headers():
    tap.case(f"{each.name} says since when", lambda: since(each))
tap.end()
