"""The kinds of statuses: what a word such as `dead` or `queued` means for whoever reads it. Pure.

The terminal gives each kind a colour, and the console a colour and a symbol.
"""

from __future__ import annotations

import re
from typing import Final

#: Kinds from the most urgent, with their words.
STATUS_KINDS: Final = {
    "bad": (
        *("dead", "failed", "terminated", "rejected", "unauthorized"),
        *("critical", "error", "open", "401"),
    ),
    "warn": (
        *("unknown", "blocked", "throttled", "refused", "spam", "paused"),
        *("warning", "problem", "waits", "proposed", "stopped"),
    ),
    "busy": ("queued", "sending", "running", "progress", "waiting"),
    "ok": ("delivered", "done", "ok", "started", "live", "closed", "matches"),
    "off": ("cancelled", "shadow", "none", "no", "expired", "configured", "left"),
}
_KIND_OF: Final = {word: kind for kind, words in STATUS_KINDS.items() for word in words}


def find_kind(text: str) -> str | None:
    """Return the most urgent kind of the words in a status such as `delivered, failed`."""
    kinds = {_KIND_OF.get(word) for word in re.split(r"[^a-z0-9]+", text)}
    return next((kind for kind in STATUS_KINDS if kind in kinds), None)
