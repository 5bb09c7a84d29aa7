#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include what: the layers, and the one place of each foreign library (docs/architecture.md)."""

import re

from tap import LAYERS, ROOT, Tap

FOREIGN = {
    "uuid/": ["base"],
    "cjson/": ["wire"],
    "expat.h": ["wire"],
    "openssl/": ["wire"],
    "curl/": ["http"],
    "magic.h": ["validate"],
    "rabbitmq-c/": ["queue"],
    "amqp": ["queue"],
    "sqlite3.h": ["db", "queue", "store"],
    "microhttpd.h": ["rest"],
    "ini.h": ["daemons"],
}
STRANGERS = {"validate", "queue", "store"}


def sources(folder):
    return sorted(path for path in (ROOT / folder).rglob("*.[ch]"))


def includes(path):
    """Line number, quoted or not, and name of each include."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        found = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
        if found:
            yield number, found[1] == '"', found[2]


def may_include(layer, other):
    if layer == "rest":
        # A library of its own, on the public interface and copies of what it needs besides.
        return other in ("base", "wire", "http", "rest")
    if STRANGERS >= {layer, other}:
        return layer == other
    return LAYERS.index(other) <= LAYERS.index(layer)


def layers():
    for path in sources("lib"):
        layer = path.relative_to(ROOT / "lib").parts[0]
        for number, quoted, name in includes(path):
            other = name.split("/")[0]
            if quoted and other not in LAYERS:
                yield f"{path.relative_to(ROOT)}:{number}: {name} is not rooted at lib/"
            elif quoted and not may_include(layer, other):
                yield f"{path.relative_to(ROOT)}:{number}: {layer} must not know {other}"


def foreign():
    for folder in ("lib", "daemons", "examples", "include"):
        for path in sources(folder):
            parts = path.relative_to(ROOT).parts
            place = parts[1] if folder == "lib" else folder
            for number, quoted, name in includes(path):
                wrong = [key for key, places in FOREIGN.items()
                         if name.startswith(key) and place not in places]
                if wrong and not quoted:
                    yield f"{path.relative_to(ROOT)}:{number}: {name} belongs to {FOREIGN[wrong[0]]}"


def programs():
    """Daemons and examples live on the public interface alone."""
    for folder in ("daemons", "examples"):
        for path in sources(folder):
            for number, quoted, name in includes(path):
                if quoted and not (path.parent / name).exists():
                    yield f"{path.relative_to(ROOT)}:{number}: {name} is not its own"


def public():
    """A public header includes public headers and the C standard's."""
    for path in sources("include"):
        for number, quoted, name in includes(path):
            if quoted or not re.fullmatch(r"sangraha/\w+\.h|std\w+\.h", name):
                yield f"{path.relative_to(ROOT)}:{number}: {name}"


def licences():
    for folder in ("lib", "daemons", "examples", "include", "tests"):
        for path in sources(folder):
            if path.read_text().split("\n")[0] != "/* SPDX-License-Identifier: MIT */":
                yield f"{path.relative_to(ROOT)}: its first line does not name the licence"


def mains():
    """A program parses, wires up and loops."""
    for path in sources("daemons"):
        text = path.read_text()
        if re.search(r"^int main\(", text, re.MULTILINE) and text.count("\n") >= 200:
            yield f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines"


def prefixes():
    """sangraha_ is exported, sgh_ crosses a file, what is static has no prefix."""
    for path in sources("lib") + sources("daemons"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.match(r"static (?!inline)[^=;(]*\b(sgh|sangraha)_\w+\(", line):
                yield f"{path.relative_to(ROOT)}:{number}: {line}"


tap = Tap()
tap.case("a layer includes only those before it", layers)
tap.case("each foreign library has one place", foreign)
tap.case("programs see the public headers only", programs)
tap.case("public headers stand on the C standard", public)
tap.case("each file names its licence", licences)
tap.case("a program's main file is short", mains)
tap.case("static functions have no prefix", prefixes)
tap.end()
