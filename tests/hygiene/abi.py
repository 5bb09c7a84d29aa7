#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The binary interface of libsangraha is what it was: no function gone, none that means something else.

What is compared is an empty library made of the public headers alone. The real one says the same - each
function is compiled against its declaration, and hygiene/symbols holds the names against each other -
but its debug information is full of types that are nobody's business, and differs between compilers.

`./dev abi` (this script with --renew) writes the baseline, tests/hygiene/abi/libsangraha.abi.
"""

import platform
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tap import ROOT, Skip, Tap, run

ABI = ROOT / "tests" / "hygiene" / "abi"
BASELINE = ABI / "libsangraha.abi"
RENEW = "if that is meant, `./dev abi` writes it into the baseline"
CHANGED, INCOMPATIBLE = 4, 8  # the bits of abidiff's exit status


def must(*command, **more):
    done = run(*command, **more)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def statements(text):
    """What ends with a semicolon outside of braces."""
    depth, start = 0, 0
    for found in re.finditer(r"[{};]", text):
        depth += {"{": 1, "}": -1, ";": 0}[found[0]]
        if found[0] == ";" and depth == 0:
            yield text[start : found.start()].strip()
            start = found.end()


def headers():
    compiler = ["gcc", "-std=c99", "-E", "-P", "-I", ROOT / "include", "-x", "c", "-"]
    return list(statements(must(*compiler, input="#include <sangraha/sangraha.h>\n")))


def definitions():
    """Each function that the headers declare, with an empty body."""
    for statement in headers():
        plain = re.sub(r"__attribute__\s*\(\(.*\)\)", "", statement, flags=re.DOTALL)
        if re.search(r"\bsangraha_\w+\s*\(", plain) and not re.match(r"typedef|struct \w+\s*{", plain):
            yield f"{plain} {{ __builtin_trap(); }}\n"


def enumerations():
    """Functions return them as int, so that abidw would not see them: one takes them all."""
    names = re.findall(r"\benum (sangraha_\w+)\s*{", "\n".join(headers()))
    return f"void sangraha_all_enums({', '.join(f'enum {name} *a_{name}' for name in names)}) {{}}\n"


def make_library(folder):
    source, library, script = folder / "stub.c", folder / "libsangraha.so", folder / "stub.sym"
    code = "#include <sangraha/sangraha.h>\n" + "".join(definitions()) + enumerations()
    source.write_text(code)
    names = (ROOT / "lib" / "sangraha.sym").read_text()
    script.write_text(names.replace("global:\n", "global:\n\tsangraha_all_enums;\n"))
    must("gcc", "-std=c99", "-g", "-O0", "-w", "-shared", "-fPIC", "-nostdlib", "-I", ROOT / "include",
         f"-Wl,--version-script={script},-soname,libsangraha.so.0", source.name, "-o", library,
         cwd=folder)  # fmt: skip
    return library


def describe(library):
    """Nothing of this machine, and nothing that another one would say otherwise."""
    quiet = ["--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", "--no-elf-needed"]
    return must("abidw", *quiet, library)


def difference(library, *options):
    done = run("abidiff", *options, BASELINE, library)
    if done.returncode & ~(CHANGED | INCOMPATIBLE):
        raise RuntimeError(f"abidiff: {done.stdout}{done.stderr}")
    return done


def grew(library, told):
    """Whether nothing happened but that structs which begin with their size grew at the end.

    The rule alone would also let through a struct whose members changed and moved.
    """
    rest = difference(library, "--no-added-syms", "--suppressions", ABI / "growth.suppr")
    return rest.returncode == 0 and not re.search(r"data member (change|deletion)", told)


def compatible(library):
    done = difference(library, "--no-added-syms")
    if done.returncode and not grew(library, done.stdout):
        yield f"{done.stdout}{RENEW}"


def complete(library):
    """What is new breaks nobody; a release wants it in the baseline."""
    if list(compatible(library)):
        return
    told = difference(library).stdout
    new = re.findall(r"\[A\] '.*?\b(sangraha_\w+)\(", told)
    new += sorted(set(re.findall(r"type '(struct sangraha_\w+)' ", told)))
    if new:
        raise Skip(f"not in the baseline yet, `./dev abi` adds them: {', '.join(new)}")
    yield from ()


def renew():
    with tempfile.TemporaryDirectory() as folder:
        BASELINE.write_text(describe(make_library(Path(folder))))
    print(f"written: {BASELINE.relative_to(ROOT)}")


def here():
    """Whether the baseline, of x86_64, can be held against anything on this machine."""
    for name in ("gcc", "abidw", "abidiff"):
        if not shutil.which(name):
            raise Skip(f"there is no {name}; in Debian the package abigail-tools has abidiff")
    if platform.machine() != "x86_64":
        raise Skip(f"the baseline is of x86_64, this is {platform.machine()}")


def check(what, library):
    here()
    yield from what(library())


def main():
    if sys.argv[1:] == ["--renew"]:
        renew()
        return
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        library = None

        def once():
            nonlocal library
            library = library or make_library(Path(folder))
            return library

        tap.case("programs that are built go on working", lambda: check(compatible, once))
        tap.case("the baseline has every function", lambda: check(complete, once))
    tap.end()


main()
