"""Text from strangers without unprintable characters, for people to read. Pure.

Bodies, headers, reasons and outputs come from strangers: control characters and those that change
the direction of writing are escaped in all of them, or replaced in a name.
"""

from __future__ import annotations

import re
from typing import Final

LINE_BREAKS = "\n\r\t\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"
_NOT_PLAIN: Final = re.compile("[^\n -~]")  # line breaks of JSON, and ASCII to read


def escape_unprintable(value: object) -> str:
    """Return a text on one line, with unprintable characters escaped as in Python."""
    text = "" if value is None else str(value)
    return (
        text
        if text.isprintable()
        else "".join(one if one.isprintable() else _escape(one) for one in text)
    )


def escape_lines(text: str) -> str:
    """Return a text with the unprintable characters of each of its lines escaped."""
    return "\n".join(
        escape_unprintable(line.replace("\t", "    "))
        for line in text.replace("\r\n", "\n").split("\n")
    )


def escape_json(text: str) -> str:
    """Return JSON with unprintable characters escaped as in JSON; its own line breaks stay."""
    return _NOT_PLAIN.sub(lambda match: _escape_for_json(match[0]), text)


def replace_unprintable(text: str) -> str:
    """Return a text on one line, with each unprintable character replaced by U+FFFD."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def _escape(char: str) -> str:
    return " " if _is_blank(char) else repr(char)[1:-1]


def _escape_for_json(char: str) -> str:
    if char.isprintable() or _is_blank(char):
        return char
    units = char.encode("utf-16-be").hex(" ", 2).split()
    return "".join(f"\\u{unit}" for unit in units)


def _is_blank(char: str) -> bool:
    return char.isspace() and char not in LINE_BREAKS
