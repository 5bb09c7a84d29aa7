#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each header compiles alone: the public ones as strict C99 and as C++, the internal ones as what we use."""

import shlex
import shutil
import sys

from tap import ROOT, Skip, Tap, public_headers, run

STRICT = ["-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
CC, PACKAGES = sys.argv[1], sys.argv[2:]


def compiles(command, header):
    done = run(*command, "-x", "c++" if "c++" in command[0] or "g++" in command[0] else "c", "-",
               input=f"#include <{header}>\n#include <{header}>\ntypedef int end_;\n")
    if done.returncode:
        yield done.stderr.strip()


def public(standard, compiler, header):
    if not shutil.which(compiler):
        raise Skip(f"there is no {compiler}")
    yield from compiles(
        [compiler, f"-std={standard}", *STRICT, "-I", ROOT / "include"],
        header.relative_to(ROOT / "include"),
    )


def internal(header):
    flags = shlex.split(run("pkg-config", "--cflags", *PACKAGES).stdout)
    folders = ["-I", ROOT / "lib", "-I", ROOT / "include"]
    yield from compiles(
        [*shlex.split(CC), "-std=gnu11", "-D_GNU_SOURCE", "-fsyntax-only", *folders, *flags],
        header.relative_to(ROOT / "lib"),
    )


tap = Tap()
for each in public_headers():
    tap.case(f"{each.name} as C99", lambda: public("c99", "cc", each))
    tap.case(f"{each.name} as C++", lambda: public("c++11", "c++", each))


def all_internal():
    for each in sorted((ROOT / "lib").rglob("*.h")):
        for wrong in internal(each):
            yield f"{each.relative_to(ROOT)}: {wrong}"


tap.case("internal headers alone", all_internal)
tap.end()
