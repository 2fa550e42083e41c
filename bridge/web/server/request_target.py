"""Reads request targets: a path, or the absolute form, in which the target names the host."""

from __future__ import annotations

import re
from typing import Final

_ABSOLUTE: Final = re.compile(r"(?i:https?)://([^/?#@]+)([/?].*)?")


def read_target(target: str) -> tuple[str | None, str] | None:
    """Return the host that a target names, None for a path, and its path and query.

    The caller uses that host in place of the header Host, as RFC 9112, 3.2.2 has it. Return None
    for a target that is neither.
    """
    if target.startswith("/"):
        return None, target
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        return None
    path = match[2] or "/"
    return match[1], path if path.startswith("/") else f"/{path}"
