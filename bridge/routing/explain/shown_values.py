"""Shorten found values for an explanation, so that a large body is not repeated. Pure."""

from __future__ import annotations

from typing import Final

import orjson

from bridge.core.model import JSON
from bridge.core.text import pluralize

MAX_FOUND_CHARS: Final = 1000  # of a value's JSON
UNWRITABLE: Final = "a value that JSON cannot hold"


def shorten_value(value: JSON) -> JSON:
    """Return a value that is short as JSON, or a text that stands for it.

    A long text is cut. A large object or list is described: how many keys or elements it has.
    """
    if isinstance(value, str) and len(value) > MAX_FOUND_CHARS:
        return f"{value[:MAX_FOUND_CHARS]}…"
    try:
        size = len(orjson.dumps(value)) if isinstance(value, (dict, list, int)) else 0
    except TypeError:
        return UNWRITABLE
    if size <= MAX_FOUND_CHARS:
        return value
    if isinstance(value, dict):
        return f"an object with {pluralize(len(value), 'key')}"
    return f"a list of {pluralize(len(value), 'element')}" if isinstance(value, list) else value


def writable_value(value: JSON) -> JSON:
    """Return a value unchanged, or a text that stands for one that JSON cannot hold."""
    try:
        orjson.dumps(value)
    except TypeError:
        return UNWRITABLE
    return value
