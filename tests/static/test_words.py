# SPDX-License-Identifier: GPL-2.0-only
"""The words of the field, in the driver, its documents, its tools and its packages."""

import os
import re
from pathlib import Path

import pytest

from lab import PROJECT

LEFT_OUT = {".git", "build", "demo-out", "tests", "LICENSES"}
LICENCE = "COPYING"

# Not in names: what the field says for it is in the glossary of docs/design.md.
NAMES = re.compile(r"\bhvb_\w*(?:books|handover|let_go|leaving|hoped|patient|in_trouble|to_keep"
                   r"|nobody|_told|_came\b|_comes\b)\w*", re.IGNORECASE)
# Not in prose.
PROSE = re.compile(r"\b(?:nobody|whoever|meanwhile|handover|things?|to be had)\b", re.IGNORECASE)


def texts() -> dict[str, str]:
    """Return the texts of the project but for its tests, by their paths."""
    found = {}
    for folder, folders, names in os.walk(PROJECT):
        folders[:] = set(folders) - LEFT_OUT
        for path in (Path(folder, name) for name in names if name != LICENCE):
            try:
                found[str(path.relative_to(PROJECT))] = path.read_text(encoding="utf-8")
            except (UnicodeDecodeError, FileNotFoundError):
                pass    # what is built, or a link to what is not there
    return found


def uses(expression: re.Pattern[str], found: dict[str, str]) -> list[str]:
    """Return where the expression is found, and what."""
    return [f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"
            for path, text in found.items() for match in expression.finditer(text)]


@pytest.mark.parametrize("expression", (NAMES, PROSE), ids=("names", "prose"))
def test_words_are_the_fields(expression):
    """In none of the texts another one."""
    found = texts()
    assert len(found) > 100
    assert uses(expression, found) == []


def test_other_words_are_found():
    """With the line in which they are."""
    text = {"a.c": "\nint hvb_books_init(void);\nint hvb_recent_oom(void);\n/* Nobody has it. */\n"}
    assert uses(NAMES, text) == ["a.c:2: hvb_books_init"]
    assert uses(PROSE, text) == ["a.c:4: Nobody"]
