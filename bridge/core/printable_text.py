"""Text from strangers without unprintable characters, for people to read. Pure.

Bodies, headers, reasons and outputs come from strangers: control characters and those that change
the direction of writing are escaped in all of them, or replaced in a name.
"""

from __future__ import annotations

LINE_BREAKS = "\n\r\t\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"


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


def replace_unprintable(text: str) -> str:
    """Return a text on one line, with each unprintable character replaced by U+FFFD."""
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def _escape(char: str) -> str:
    return " " if char.isspace() and char not in LINE_BREAKS else repr(char)[1:-1]
