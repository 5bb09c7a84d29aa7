#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each program and library has its manual page; pages are well-formed, refer to what is there, and are installed."""

import re
import shutil
import sys

from tap import ROOT, Skip, Tap, run

FOLDER = ROOT / "docs" / "man"
# The programs, then the pages that are installed.
PROGRAMS = [name for name in sys.argv[1:] if "/" not in name]
INSTALLED = {name.rsplit("/", 1)[1] for name in sys.argv[1:] if "/" in name}
LIBRARY_PAGES = {"libsangraha.3", "sangraha-protocol.7", "sangraha-config.5"}


def pages():
    return sorted(page for page in FOLDER.iterdir() if page.suffix[1:].isdigit())


def there():
    names = {page.name for page in pages()}
    for program in PROGRAMS:
        if not {f"{program}.1", f"{program}.8"} & names:
            yield f"{program} has no manual page"
    for name in sorted(LIBRARY_PAGES - names):
        yield f"there is no {name}"


def installed():
    if not {"sangraha", "sangraha-orchestrator"} <= set(PROGRAMS):
        raise Skip("not all programs are built")
    for page in pages():
        if page.name not in INSTALLED:
            yield f"{page.name} is not installed"


def references():
    names = {page.name for page in pages()}
    for page in pages():
        for name, section in re.findall(r"^\.Xr (\S+) (\d)", page.read_text(), re.MULTILINE):
            if "sangraha" in name and f"{name}.{section}" not in names:
                yield f"{page.name} refers to {name}({section}), which is not there"


def lint():
    if not shutil.which("mandoc"):
        raise Skip("there is no mandoc")
    for page in pages():
        # What mandoc says of style is for who writes the page.
        yield from run("mandoc", "-T", "lint", "-W", "warning", page).stdout.splitlines()


def groff():
    if not shutil.which("man") or not shutil.which("groff"):
        raise Skip("there is no man or no groff")
    for page in pages():
        done = run("man", "--warnings", "-E", "UTF-8", "-l", page)
        yield from done.stderr.splitlines()
        if done.returncode:
            yield f"man cannot show {page.name}"


tap = Tap()
tap.case("each program and library has its page", there)
tap.case("each page is installed", installed)
tap.case("pages refer to pages that are there", references)
tap.case("mandoc finds nothing wrong", lint)
tap.case("man shows each page without a warning", groff)
tap.end()
