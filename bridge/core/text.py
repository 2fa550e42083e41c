"""Text: made printable, normalized in linear time, and counts with their nouns. Pure.

Bodies, headers, reasons and outputs come from strangers: control characters and those that change
the direction of writing are escaped in all of them, or replaced in a name.

Normalization sorts the marks that follow a letter, and the standard library's sort is quadratic:
64,000 marks in a row take seconds. So a row of marks is cut to the length that the Stream-Safe Text
Format allows: https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal


def pluralize(count: int, noun: str, many: str = "") -> str:
    """Return a count with its noun: 1 row, 2 rows. `many`: the plural if it is irregular."""
    return f"{count} {choose_noun(count, noun, many)}"


def choose_noun(count: float, noun: str, many: str = "") -> str:
    """Return the noun for a count, for one that is written apart."""
    return noun if count == 1 else many or f"{noun}s"


def write_status_code(code: int | None, detail: str | None) -> str:
    """Return the HTTP status of an answer, such as `HTTP 500`, unless its detail begins with it."""
    return f"HTTP {code}" if code and not (detail or "").startswith("HTTP ") else ""


MAX_CONSECUTIVE_MARKS: Final = 30
#: No mark is a letter or digit, except two letters that become marks.
_MARK: Final = r"(?:[^\x00-\x7f\w]|[\uff9e\uff9f])"
_LONG_ROW = re.compile(f"(?<!{_MARK})({_MARK}{{{MAX_CONSECUTIVE_MARKS}}}){_MARK}++")


def normalize(form: Literal["NFC", "NFKC"], text: str) -> str:
    """Return `text` in a normal form.

    Of more than 30 consecutive marks, or other characters that are not of a word, the rest is
    dropped.
    """
    return text if text.isascii() else unicodedata.normalize(form, _LONG_ROW.sub(r"\1", text))


LINE_BREAKS = "\n\r\t\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"
_NOT_PLAIN: Final = re.compile("[^\n -~]")  # line breaks of JSON, and ASCII to read


def escape_unprintable(value: object) -> str:
    """Return a text on one line, with unprintable characters escaped as in Python."""
    text = "" if value is None else str(value)
    return (
        text
        if text.isprintable()
        else "".join(char if char.isprintable() else _escape(char) for char in text)
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
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def _escape(char: str) -> str:
    return " " if _is_blank(char) else repr(char)[1:-1]


def _escape_for_json(char: str) -> str:
    if char.isprintable() or _is_blank(char):
        return char
    units = char.encode("utf-16-be").hex(" ", 2).split()
    return "".join(f"\\u{unit}" for unit in units)


def _is_blank(char: str) -> bool:
    return char.isspace() and char not in LINE_BREAKS
