#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a library exports is what its headers declare; what it calls and keeps is what a library may."""

import re
import sys
from pathlib import Path

from tap import ROOT, Skip, Tap, declared_functions, is_sanitized, public_headers, run

# A library neither ends the process, nor prints, nor touches what belongs to the whole process.
NOT_FOR_LIBRARIES = {
    "exit", "_exit", "quick_exit", "abort", "atexit", "printf", "vprintf", "puts", "putchar",
    "perror", "__printf_chk", "__vprintf_chk", "signal", "sigaction", "setlocale", "setenv",
    "putenv", "unsetenv", "chdir", "umask", "fork", "vfork", "system", "popen", "strtok", "rand",
    "srand", "gmtime", "localtime", "tmpnam", "gets", "asctime", "ctime", "stderr",
    "stdout",
}  # fmt: skip

# Writable data of the whole process; each entry says why it may exist.
ALLOWED_GLOBALS = {
    "completed": "the C runtime's",
    "__dso_handle": "the C runtime's",
    "curl_once": "curl_global_init() is once for a process, whoever comes first",
}


def names(library, *options):
    lines = run("nm", *options, library).stdout.splitlines()
    return {line.split()[-1].split("@")[0] for line in lines}


def exported(library):
    lines = run("nm", "-D", "--defined-only", library).stdout.splitlines()
    found = {line.split()[-1].split("@")[0] for line in lines if line.split()[-2] != "A"}
    return found


def exports(library, headers):
    there = exported(library)
    declared = set().union(*map(declared_functions, headers))
    for name in sorted(there - declared):
        yield f"{name} is exported and in no public header"
    for name in sorted(declared - there):
        yield f"{name} is declared and not exported"


def lists(script, headers):
    """A released node is frozen, so a version script names each function: no patterns."""
    text = re.sub(r"/\*.*?\*/", "", script.read_text(), flags=re.DOTALL)
    listed = re.findall(r"\b(sangraha_[\w*?]+)\s*;", text)
    declared = set().union(*map(declared_functions, headers))
    for name in sorted(set(listed) - declared):
        yield f"{script.name} lists {name}, which is in no public header"
    for name in sorted(declared - set(listed)):
        yield f"{script.name} does not list {name}"
    for name in sorted(name for name in set(listed) if listed.count(name) > 1):
        yield f"{script.name} lists {name} twice"


def calls(library):
    if is_sanitized(library):
        raise Skip("a sanitizer adds its own")
    for name in sorted(names(library, "-D", "--undefined-only") & NOT_FOR_LIBRARIES):
        yield f"{library.name} uses {name}"


def keeps(library):
    if is_sanitized(library):
        raise Skip("a sanitizer adds its own")
    for line in run("objdump", "-t", library).stdout.splitlines():
        fields = line.split()
        if len(fields) < 5 or not {".bss", ".data", ".tbss", ".tdata"} & set(fields):
            continue
        is_object = "O" in fields[1:4]
        plain = re.sub(r"\.\d+$", "", fields[-1])
        if is_object and int(fields[-2], 16) > 0 and plain not in ALLOWED_GLOBALS:
            yield f"{library.name} has the global {fields[-1]}"


tap = Tap()
for argument in sys.argv[1:]:
    path = Path(argument)
    is_rest = "-rest" in path.name
    own = [header for header in public_headers() if (header.name == "rest.h") == is_rest]
    label = "libsangraha-rest" if is_rest else "libsangraha"
    script = ROOT / "lib" / ("rest/sangraha-rest.sym" if is_rest else "sangraha.sym")
    tap.case(f"{script.name} lists what the headers declare", lambda: lists(script, own))
    tap.case(f"{label} exports what its headers declare", lambda: exports(path, own))
    tap.case(f"{label} leaves the process alone", lambda: calls(path))
    tap.case(f"{label} has no globals", lambda: keeps(path))
tap.end()
