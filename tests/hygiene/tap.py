# SPDX-License-Identifier: MIT
"""What the hygiene tests share: cases in TAP, and the tree they look at."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ["base", "wire", "http", "db", "validate", "queue", "store", "role", "rest"]


class Skip(Exception):
    """This case cannot run here; the reason is its text."""


class Tap:
    """Runs cases and reports each; a case fails by returning what is wrong, one line each."""

    def __init__(self):
        self.count = 0
        self.failed = False

    def case(self, name, check):
        self.count += 1
        try:
            wrong = list(check())
        except Skip as reason:
            print(f"ok {self.count} - {name} # SKIP {reason}", flush=True)
            return
        print(f"{'not ' if wrong else ''}ok {self.count} - {name}", flush=True)
        for line in wrong:
            self.failed = True
            print("# " + line.replace("\n", "\n# "), flush=True)

    def end(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)


def public_headers():
    return sorted((ROOT / "include" / "sangraha").glob("*.h"))


def code_only(text):
    """C without comments and without what is between quotes."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
    return re.sub(pattern, lambda found: "\n" * found[0].count("\n"), text, flags=re.DOTALL)


def declared_functions(header):
    """The names of the functions that a public header declares."""
    text = re.sub(r"(?m)^\s*#.*(\\\n.*)*$", "", code_only(header.read_text()))
    return set(re.findall(r"\b(sangraha_\w+)\s*\(", text)) - typedefs(text)


def typedefs(text):
    return set(re.findall(r"\btypedef\b[^;]*?\b(sangraha_\w+)\s*\(", text))


def is_sanitized(library):
    symbols = run("nm", "-D", library).stdout
    return any(word in symbols for word in ("__asan_init", "__tsan_init", "__ubsan_"))
