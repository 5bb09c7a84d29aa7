#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn a public header, whose comments are plain, into what Doxygen reads; line for line.

A comment directly before a declaration, or behind a member on its line, belongs to it. One that stands
alone, or before the first directive, belongs to the file. The text is prose: whatever would be a command,
an entity or a list to Doxygen is escaped, and `this` is code.
"""

import re
import sys
from pathlib import Path

NAME = Path(sys.argv[1]).name
COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
OPAQUE = re.compile(r"^struct \w+(?=;$)", re.MULTILINE)


def escape(text):
    text = re.sub(r"[\\@&<>#%\"$]", lambda found: "\\" + found[0], text)
    # A dash in the prose that happens to stand first in a line would begin a list.
    text = re.sub(r"(?m)^(\s*\*\s+)-(?=\s)", r"\1&ndash;", text)
    # What is indented by a tab is an example.
    text = re.sub(r"(?m)^(\s*\*)\t(.*(?:\n\s*\*\t.*)*)", r"\1 <pre>\2</pre>", text)
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


def is_first(before):
    """Whether nothing but white space stands in front on its line."""
    return not before.rsplit("\n", 1)[-1].strip()


def is_alone(after):
    """Whether no declaration follows directly: an empty line does, or a directive other than #define."""
    rest = after.split("\n", 2)
    following = rest[1] if len(rest) > 1 else ""
    return not following.strip() or bool(re.match(r"#(?!define)", following))


def converter():
    """What takes the place of each comment; the file's first one is its brief description."""
    kinds = iter(["brief"])

    def comment(found):
        text, before, after = found[1], found.string[: found.start()], found.string[found.end() :]
        if "SPDX" in text or "----" in text:  # a line of dashes is a heading for who reads the header
            return found[0]
        if not is_first(before):
            return f"/**<{escape(text)}*/"
        if is_alone(after):
            return f"/** @file {NAME} @{next(kinds, 'details')}{escape(text)}*/"
        return f"/**{escape(text)}*/"

    return comment


def main():
    with open(sys.argv[1], encoding="utf-8") as header:
        text = header.read()
    text = COMMENT.sub(converter(), text)
    # Doxygen does not tell of types that are only declared; to it a handle is a struct without members.
    sys.stdout.write(OPAQUE.sub(lambda found: found[0] + " { }", text))


if __name__ == "__main__":
    main()
