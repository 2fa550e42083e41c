"""Texts inside of the scripts that are printed."""

from __future__ import annotations

import json
from collections.abc import Mapping


def quoted(value: str | Mapping[str, str]) -> str:
    """Return a text, or texts by name, for JavaScript that stands inside HTML."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
