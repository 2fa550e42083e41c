"""Conversion of inputs: any JSON from a route, text from the command line or a query. Pure."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Final

from bridge.core.model import JSON
from bridge.delivery.platforms.responses import load
from bridge.flows.errors import FlowError

BOOLEAN_WORDS: Final = {
    "true": True,
    "yes": True,
    "1": True,
    "false": False,
    "no": False,
    "0": False,
    "": False,
}
# Unicode categories of characters that could begin a line
LINE_BREAK_CATEGORIES: Final = ("Cc", "Zl", "Zp")
MAX_LINE_CHARACTERS: Final = 998  # characters of a line by RFC 5322


def number(name: str, value: JSON, maximum: float, least: float = 0) -> float:
    """Return `value`, or the text in it, as a number."""
    try:
        parsed = float(value)  # type: ignore[arg-type, unused-ignore]  # other types raise, and are caught
    except (TypeError, ValueError):
        raise FlowError(f"{name}: not a number") from None
    if not least <= parsed <= maximum or math.isnan(parsed):
        raise FlowError(f"{name}: {parsed:g} is not allowed; use {least:g} to {maximum:g}")
    return parsed


def boolean(name: str, value: JSON) -> bool:
    """Return `value`, or the text in it, as a boolean; null is false."""
    said = BOOLEAN_WORDS.get("" if value is None else str(value).strip().lower())
    if said is None:
        raise FlowError(f"{name}: {shorten(value)} is not allowed; use true or false")
    return said


def text(name: str, value: JSON, max_characters: int) -> str:
    """Return a text, or a number as text; null is empty.

    Characters that UTF-8 cannot encode (lone surrogates) become question marks.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FlowError(f"{name}: expected a text, found {type_name(value)}")
    encodable = str(value).encode("utf-8", "replace").decode()
    if len(encodable) > max_characters:
        raise FlowError(
            f"{name}: {len(encodable)} characters; at most {max_characters} are allowed"
        )
    return encodable


def one_line(name: str, value: JSON, max_characters: int = MAX_LINE_CHARACTERS) -> str:
    """Return a text of one line. Refuse line ends and other control characters."""
    line = text(name, value, max_characters)
    for position, char in enumerate(line):
        if unicodedata.category(char) in LINE_BREAK_CATEGORIES:
            raise FlowError(
                f"{name}: a line end or control character (U+{ord(char):04X}, at character"
                f" {position + 1}) is not allowed here"
            )
    return line


def fold_lines(name: str, value: JSON, max_characters: int = MAX_LINE_CHARACTERS) -> str:
    """Return a text as one line, with blanks instead of line ends and control characters."""
    return "".join(
        " " if unicodedata.category(char) in LINE_BREAK_CATEGORIES else char
        for char in text(name, value, max_characters)
    )


def mapping(name: str, value: JSON) -> Mapping[str, JSON]:
    """Return an object, or the JSON object in a text; null and an empty text give an empty one."""
    parsed = (
        load(value.encode("utf-8", "replace"))
        if isinstance(value, str) and value.strip()
        else value
    )
    if parsed is None and isinstance(value, str):
        raise FlowError(f"{name}: not a JSON object")
    parsed = parsed or {}
    if not isinstance(parsed, dict):
        raise FlowError(f"{name}: expected an object, found {type_name(parsed)}")
    return parsed


def type_name(value: JSON) -> str:
    """Name the JSON type of `value`."""
    names = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        type(None): "null",
        str: "a text",
    }
    return names.get(type(value), "a number")


def shorten(value: JSON) -> str:
    """Return `value` for an error message, shortened."""
    literal = repr(value)
    return literal if len(literal) <= 80 else literal[:79] + "…"
