"""Convert the values that n8n compares with, as n8n does. Pure."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Mapping
from typing import Final

from bridge.core.model import JSON
from bridge.importers.hook_references import MAX_EXACT_INTEGER, NotCarried
from bridge.routing.functions.values import equal

#: Operator of `match` -> the operator of expressions, and the comparison itself.
COMPARISONS: Final[Mapping[str, tuple[str, Callable[[float, float], bool]]]] = {
    "gt": (">", operator.gt),
    "gte": (">=", operator.ge),
    "lt": ("<", operator.lt),
    "lte": ("<=", operator.le),
}
#: Since this version of the rules, an empty text or list is no number; before, it is 0.
BLANK_IS_NO_NUMBER: Final = 3
#: Since this version of the rules, texts such as "false" are read; before, any text is true.
TEXT_IS_READ: Final = 2
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def is_number(value: JSON) -> bool:
    """Return whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def read_number(value: float) -> float:
    """Return a number as JavaScript has it; `NotCarried` for one that is too large for it."""
    if isinstance(value, int) and abs(value) <= MAX_EXACT_INTEGER:
        return value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise NotCarried("it compares with a number that is too large")
    return number


def write_number(value: float) -> str:
    """Return a number as an expression has it."""
    text = repr(value)
    return f"`{text}`" if "e" in text else text


def check_value(value: JSON, kind: str, version: float) -> JSON:
    """Return the value beside an operator of strict types; `NotCarried` for another type."""
    types = _TYPES.get(kind, ())
    if kind == "number" and _is_blank(value) and version >= BLANK_IS_NO_NUMBER:
        return None
    is_fine = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    if value is None or kind == "any" or is_fine:
        return value
    raise NotCarried(f"it compares with a value that is no {kind}, so n8n stops with an error")


def convert_value(value: JSON, kind: str, version: float) -> JSON:
    """Return the value beside an operator of loose types; `NotCarried` where n8n cannot."""
    if value is None or kind == "any":
        return value
    if kind == "string":
        return write_text(value)
    if kind == "boolean":
        return not any(equal(value, falsy) for falsy in find_falsy(version))
    if kind == "number":
        return _convert_number(value, version)
    return check_value(value, kind, version)


def _convert_number(value: JSON, version: float) -> JSON:
    if _is_blank(value):
        return None if version >= BLANK_IS_NO_NUMBER else 0
    if isinstance(value, bool):
        return int(value)
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (isinstance(value, str) and "_" in value):
        raise NotCarried("it compares with a value that is no number, so n8n stops with an error")
    return read_number(int(number) if number.is_integer() else number)


def find_falsy(version: float) -> list[JSON]:
    """Return the values that are false, beside null, where types are loose."""
    texts: list[JSON] = ["false", "False", "FALSE", "0", []]
    return [False, 0, "", *(texts if version >= TEXT_IS_READ else [])]


def _is_blank(value: JSON) -> bool:
    return value == [] or (isinstance(value, str) and not value.strip())


def write_text(value: JSON) -> str:
    """Return a value as JavaScript writes it; `NotCarried` for a list, an object or null."""
    if isinstance(value, dict | list) or value is None:
        raise NotCarried("it compares with a list, an object or nothing")
    return value if isinstance(value, str) else json.dumps(value)
