#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The table of settings is told to people in full, and nothing else is."""

import re

from tap import ROOT, Tap

TABLE = (ROOT / "daemons" / "settings.c").read_text()
MANUAL = (ROOT / "docs" / "man" / "sangraha-config.5").read_text()
README = (ROOT / "README.md").read_text()
# Name, and what follows it up to the next row.
ROWS = dict(re.findall(r'\[SGH_SET_\w+\] = \{ "([a-z-]+)",(.*?)\},\n', TABLE, re.DOTALL))


def manual():
    told = set(re.findall(r"^\.It Ic ([a-z-]+)", MANUAL, re.MULTILINE))
    for name in set(ROWS) - told:
        yield f"sangraha-config(5) lacks {name}"
    for name in told - set(ROWS):
        yield f"sangraha-config(5) has {name}, which is no setting"


def readme():
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (.*?) \|", README, re.MULTILINE))
    for name, row in ROWS.items():
        default = re.search(r'\.value = "([^"]*)"', row)
        if name not in told:
            yield f"README.md lacks {name}"
        elif default and told[name] != f"`{default[1]}`":
            yield f"README.md says {name} is {told[name]}, the table {default[1]}"


def secrets():
    for name, row in ROWS.items():
        if ("secret = true" in row) != (f".Ic {name}-file ." in MANUAL):
            yield f"{name}: sangraha-config(5) and the table disagree on whether it is a secret"


tap = Tap()
tap.case("the manual has all settings", manual)
tap.case("README.md has all settings and their defaults", readme)
tap.case("the manual names the files of secrets", secrets)
tap.end()
