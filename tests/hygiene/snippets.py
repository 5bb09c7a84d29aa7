#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Whole programs in the documents compile: each piece of C that has a main(), each piece of Python in a manual."""

import re
import shlex
import sys

from tap import ROOT, Tap, run

CC = shlex.split(sys.argv[1])
STRICT = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
DOCUMENTS = ["README.md", "docs/reference.md", "docs/man/libsangraha.3"]
# Without a program in them, something is wrong with these or with the way they are read.
MUST_HAVE = DOCUMENTS[1:]


def fenced(text):
    return re.findall(r"^```c\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def literal(text):
    """What stands between .Bd -literal and .Ed, as it is shown."""
    for block in re.findall(r"^\.Bd -literal\n(.*?)^\.Ed$", text, re.MULTILINE | re.DOTALL):
        yield block.replace("\\&", "").replace("\\-", "-").replace("\\e", "\\")


def blocks(name):
    text = (ROOT / name).read_text()
    return list(fenced(text) if name.endswith(".md") else literal(text))


def c_programs(name):
    programs = [block for block in blocks(name) if re.search(r"\bint main\(", block)]
    if not programs and name in MUST_HAVE:
        yield f"there is no whole program in {name}"
    for program in programs:
        done = run(*CC, *STRICT, "-I", ROOT / "include", "-x", "c", "-", input=program)
        if done.returncode:
            yield done.stderr.strip()


def python_programs(name):
    programs = [block for block in blocks(name) if re.match(r"import ", block)]
    if not programs:
        yield f"there is no program in {name}"
    for program in programs:
        try:
            compile(program, name, "exec")
        except SyntaxError as error:
            yield str(error)


tap = Tap()
for document in DOCUMENTS:
    tap.case(f"the programs in {document} compile", lambda: c_programs(document))
tap.case("the program in sangraha-protocol(7) compiles", lambda: python_programs("docs/man/sangraha-protocol.7"))
tap.end()
