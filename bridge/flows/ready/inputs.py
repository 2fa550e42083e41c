"""Reads inputs: they come from a route as any JSON, and from the command line or a query as text.
Pure.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from typing import Final

from bridge.core.model import JSON
from bridge.delivery.platforms.responses import load
from bridge.flows.function import FlowError

YES_NO: Final = {
    "true": True,
    "yes": True,
    "1": True,
    "false": False,
    "no": False,
    "0": False,
    "": False,
}
BREAKING: Final = ("Cc", "Zl", "Zp")  # categories of what could begin a line of its own
LINE_LENGTH: Final = 998  # characters: what RFC 5322 allows a line


def number(name: str, value: JSON, most: float, least: float = 0) -> float:
    """Return the number that `value` is or spells."""
    try:
        found = float(value)  # type: ignore[arg-type, unused-ignore]  # what is no number raises, and is caught
    except (TypeError, ValueError):
        raise FlowError(f"{name}: a number is wanted") from None
    if not least <= found <= most or math.isnan(found):
        raise FlowError(f"{name}: {found:g} was given; allowed are {least:g} to {most:g}")
    return found


def yes_no(name: str, value: JSON) -> bool:
    """Return the truth value that `value` is or spells; null is no."""
    said = YES_NO.get("" if value is None else str(value).strip().lower())
    if said is None:
        raise FlowError(f"{name}: {shown(value)} was given; true or false is wanted")
    return said


def text(name: str, value: JSON, most: int) -> str:
    """Return a text, or a number as one; null is empty. What no UTF-8 can say (lone surrogates)
    becomes a question mark.
    """
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FlowError(f"{name}: a text is wanted, {kind(value)} was given")
    found = str(value).encode("utf-8", "replace").decode()
    if len(found) > most:
        raise FlowError(f"{name}: {len(found)} characters were given; at most {most} are allowed")
    return found


def one_line(name: str, value: JSON, most: int = LINE_LENGTH) -> str:
    """Return a text of one line: a line end or another control character in it is refused, as it
    could begin a line of its own.
    """
    found = text(name, value, most)
    for position, char in enumerate(found):
        if unicodedata.category(char) in BREAKING:
            raise FlowError(
                f"{name}: a line end or control character (U+{ord(char):04X}, at character"
                f" {position + 1}) is not allowed here"
            )
    return found


def folded(name: str, value: JSON, most: int = LINE_LENGTH) -> str:
    """Return a text as one line: each line end or other control character in it is a blank."""
    return "".join(
        " " if unicodedata.category(char) in BREAKING else char for char in text(name, value, most)
    )


def mapping(name: str, value: JSON) -> Mapping[str, JSON]:
    """Return an object, or the one that the JSON text `value` is; null and an empty text are an
    empty one.
    """
    found = (
        load(value.encode("utf-8", "replace"))
        if isinstance(value, str) and value.strip()
        else value
    )
    if found is None and isinstance(value, str):
        raise FlowError(f"{name}: a JSON object is wanted")
    found = found or {}
    if not isinstance(found, dict):
        raise FlowError(f"{name}: an object is wanted, {kind(found)} was given")
    return found


def kind(value: JSON) -> str:
    """Name the JSON type of `value`."""
    names = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        type(None): "null",
        str: "a text",
    }
    return names.get(type(value), "a number")


def shown(value: JSON) -> str:
    """Return `value` as an error may quote it."""
    found = repr(value)
    return found if len(found) <= 80 else found[:79] + "…"
