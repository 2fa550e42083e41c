"""Write JSON that orjson cannot: values that nest deeper than 254 levels. Pure."""

from __future__ import annotations

import json
from typing import Final

import orjson

from bridge.core.errors import BridgeError
from bridge.core.model import JSON

INDENT_SPACES: Final = 2


class TooDeepValue(BridgeError):
    """A value nests too deeply to be written as JSON."""

    def __init__(self) -> None:
        super().__init__("a value nests too deeply to be written as JSON")


def write_json(value: JSON, *, is_indented: bool = False) -> bytes:
    """Return `value` as UTF-8 JSON. Raises `TooDeepValue`.

    A source may allow bodies of 500 levels. Python's own writer, which is slower, takes some 900:
    as many as its stack has left.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if is_indented else None)
    except orjson.JSONEncodeError:
        pass
    indent = INDENT_SPACES if is_indented else None
    separators = (",", ": " if is_indented else ":")
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    except RecursionError:
        raise TooDeepValue from None
    return text.encode("utf-8", "replace")
