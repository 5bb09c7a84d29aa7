#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each status has a wire name, made from its C name, and a sentence of its own for people."""

import ctypes
import re
import sys

from tap import ROOT, Skip, Tap, is_sanitized

ENUM = (ROOT / "include" / "sangraha" / "error.h").read_text()
STATUSES = {name: int(number) for name, number in re.findall(r"SANGRAHA_(?:E_)?(\w+) = (-?\d+)", ENUM)}


def library():
    if is_sanitized(sys.argv[1]):
        raise Skip("a library with a sanitizer cannot be loaded by python")
    loaded = ctypes.CDLL(sys.argv[1])
    loaded.sangraha_status_name.restype = ctypes.c_char_p
    loaded.sangraha_status_text.restype = ctypes.c_char_p
    return loaded


def wire_names():
    for name, number in STATUSES.items():
        got = library().sangraha_status_name(number).decode()
        if got != name.lower():
            yield f"{number} is {got}, not {name.lower()}"


def back():
    for name, number in STATUSES.items():
        got = library().sangraha_status_from_name(name.lower().encode())
        if got != number:
            yield f"{name.lower()} is {got}, not {number}"


def texts():
    said = {}
    for name, number in STATUSES.items():
        text = library().sangraha_status_text(number).decode()
        if len(text.split()) < 2 and number:
            yield f"{name}: '{text}' is no sentence"
        if text in said.values():
            yield f"{name}: '{text}' is another one's"
        said[name] = text


def unknown():
    internal = STATUSES["INTERNAL"]
    if library().sangraha_status_from_name(b"no such") != internal:
        yield "an unknown name is not internal"
    if library().sangraha_status_from_name(None) != internal:
        yield "no name is not internal"
    if not library().sangraha_status_name(-9999) or not library().sangraha_status_text(9999):
        yield "an unknown status has no name or text"


tap = Tap()
tap.case("wire names are the C names", wire_names)
tap.case("wire names lead back", back)
tap.case("each has a sentence of its own", texts)
tap.case("what is unknown is internal", unknown)
tap.end()
