#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The installed tree is enough: strangers' programs are built against it through pkg-config alone, and run."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from installed import LIBRARIES, Installed
from tap import ROOT, Skip, Tap, declared_functions, is_sanitized, public_headers, run

BUILD, LIBRARY = Path(sys.argv[1]), Path(sys.argv[2])
PROGRAMS = sys.argv[3:]
EXAMPLES = sorted((ROOT / "examples").glob("*.c"))
CONSUMER = ROOT / "tests" / "consumer" / "consumer.c"
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
C99 = ["-x", "c", "-std=c99", *STRICT]
CXX11 = ["-x", "c++", "-std=c++11", *STRICT]
# As of this version C++ has designated initialisers; what they leave out is meant to be zero.
CXX20 = ["-x", "c++", "-std=c++20", *STRICT, "-Wno-missing-field-initializers"]
C_ONLY = ["custom_type"]


def have(compiler):
    if not shutil.which(compiler):
        raise Skip(f"there is no {compiler}")


def runs(installed, compiler, options):
    have(compiler)
    program = installed.folder / f"consumer-{compiler}"
    wrong = list(installed.compile(compiler, CONSUMER, program, *options))
    if wrong:
        yield from wrong
        return
    done = run(program, env=installed.env)
    if done.returncode or not re.fullmatch(r"\d+\.\d+\.\d+ json [0-9a-f-]{36}\n", done.stdout):
        yield f"exit {done.returncode}: {done.stdout}{done.stderr}"


def examples(installed, compiler):
    have(compiler)
    for source in EXAMPLES:
        yield from installed.compile(compiler, source, installed.folder / source.stem, *C99)


def examples_as_cxx(installed):
    have("g++")
    for source in EXAMPLES:
        if source.stem not in C_ONLY:
            yield from installed.compile("g++", source, installed.folder / source.stem, *CXX20)


def rest(installed):
    """Whatever rest.h declares is found by whoever asks for sangraha-rest, and by nobody else."""
    if not installed.has_rest:
        raise Skip("this build has no libsangraha-rest")
    source = installed.folder / "rest.c"
    names = sorted(declared_functions(ROOT / "include" / "sangraha" / "rest.h"))
    table = ", ".join(f"(any_fn){name}" for name in names)
    source.write_text(
        "#include <sangraha/rest.h>\n\ntypedef void (*any_fn)(void);\n"
        f"any_fn all[] = {{ {table} }};\n\nint main(void)\n{{\n\treturn !all[0];\n}}\n"
    )
    program = installed.folder / "rest"
    yield from installed.compile("cc", source, program, *C99, package="sangraha-rest")
    if not list(installed.compile("cc", source, program, "-w")):
        yield "sangraha alone is enough for rest.h: what is sangraha-rest for?"


def length():
    """What the front page promises to whoever wants a receiver in a program of theirs."""
    lines = (ROOT / "examples" / "receiver_with_veto.c").read_text().count("\n")
    if lines >= 60:
        yield f"receiver_with_veto.c has {lines} lines"


# What was installed.


def headers(installed):
    there = {path.name for path in (installed.prefix / "include" / "sangraha").iterdir()}
    wanted = {path.name for path in public_headers()}
    if not installed.has_rest:
        wanted.discard("rest.h")
    if there != wanted:
        yield f"installed: {sorted(there)}"


def libraries(installed):
    """The names that linker and loader look for lead to the file; nothing is looked for elsewhere."""
    for name in ["libsangraha", "libsangraha-rest"] if installed.has_rest else ["libsangraha"]:
        file = (installed.libraries / f"{name}.so").resolve()
        if not re.fullmatch(rf"{name}\.so\.\d+\.\d+\.\d+", file.name):
            yield f"{name}.so is {file.name}"
        dynamic = run("objdump", "-p", file).stdout
        soname = re.search(r"SONAME\s+(\S+)", dynamic)[1]
        if not re.fullmatch(rf"{name}\.so\.\d+", soname):
            yield f"the soname of {name} is {soname}"
        if (installed.libraries / soname).resolve() != file:
            yield f"{soname} does not lead to {file.name}"
        if re.search(r"RPATH|RUNPATH", dynamic):
            yield f"{name} has a path of its own to look for libraries"
    for path in installed.libraries.glob("*.a"):
        yield f"{path.name} is installed"


def packages(installed):
    """What the .pc files say and, as foreign libraries are nobody's business, do not say."""
    for name in ["sangraha", "sangraha-rest"] if installed.has_rest else ["sangraha"]:
        text = (installed.packages / f"{name}.pc").read_text()
        fields = dict(re.findall(r"(?m)^(\w+): (.*)$", text))
        wanted = {"Name": name, "Cflags": "-I${includedir}", "Libs": f"-L${{libdir}} -l{name}"}
        wanted |= {"Requires": "sangraha"} if name == "sangraha-rest" else {}
        told = {key: value for key, value in fields.items() if key not in ("Description", "Version")}
        if told != wanted or not fields.get("Description") or not fields.get("Version"):
            yield f"{name}.pc says {fields}"
        for folder in (ROOT, BUILD):
            if str(folder.resolve()) in text:
                yield f"{name}.pc names the folder {folder}"
        variables = re.findall(r"(?m)^(\w+)=(.*)$", text)
        if any(not value.startswith("${prefix}/") for key, value in variables if key != "prefix"):
            yield f"{name}.pc cannot be moved: {variables}"
    if installed.pkg_config("--libs-only-l", "sangraha") != ["-lsangraha"]:
        yield "sangraha wants more than -lsangraha"


def uninstalled(installed):
    """Before anything is installed the build folder does: PKG_CONFIG_PATH=build/…/meson-uninstalled."""
    env = {**os.environ, "PKG_CONFIG_PATH": str(BUILD / "meson-uninstalled")}
    flags = run("pkg-config", "--cflags", "--libs", "sangraha", env=env).stdout.split()
    done = run("cc", *C99, CONSUMER, *LIBRARIES, *flags, "-o", installed.folder / "uninstalled")
    if done.returncode:
        yield done.stderr


def version(installed):
    header = (installed.prefix / "include" / "sangraha" / "version.h").read_text()
    text = re.search(r'SANGRAHA_VERSION\s+"([^"]+)"', header)[1]
    numbers = re.findall(r"SANGRAHA_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header)
    package = installed.pkg_config("--modversion", "sangraha")[0]
    if not text == ".".join(numbers) == package:
        yield f"SANGRAHA_VERSION {text}, its numbers {numbers}, sangraha.pc {package}"


def programs(installed):
    for name in PROGRAMS:
        done = run(installed.prefix / "bin" / name, "--version", env=installed.env)
        if done.returncode or not done.stdout.startswith(f"{name} "):
            yield f"{name} --version: {done.returncode} {done.stdout}{done.stderr}"
        pages = list((installed.prefix / "share" / "man").rglob(f"{name}.8*"))
        if not pages:
            yield f"{name} has no man page"


def sanitized():
    raise Skip("a program without the sanitizer cannot use a library that has it")
    yield


def main():
    tap = Tap()
    if is_sanitized(LIBRARY):
        tap.case("builds and runs", sanitized)
        tap.end()
    with tempfile.TemporaryDirectory() as folder:
        installed = Installed(BUILD, folder)
        for compiler, options in {"gcc": C99, "clang": C99, "g++": CXX11, "clang++": CXX11}.items():
            tap.case(f"a consumer of {compiler} runs", lambda: runs(installed, compiler, options))
        for compiler in ("gcc", "clang"):
            tap.case(f"{compiler} takes the examples", lambda: examples(installed, compiler))
        tap.case("g++ takes those that are C++, too", lambda: examples_as_cxx(installed))
        tap.case("the receiver with a veto is short", length)
        tap.case("sangraha-rest is a package of its own", lambda: rest(installed))
        tap.case("all public headers are installed", lambda: headers(installed))
        tap.case("the libraries are found by their names", lambda: libraries(installed))
        tap.case("the packages say what is needed and no more", lambda: packages(installed))
        tap.case("the build folder is a package, too", lambda: uninstalled(installed))
        tap.case("the version is one", lambda: version(installed))
        tap.case("the programs are installed with their manuals", lambda: programs(installed))
    tap.end()


main()
