"""The kind of a status: its colour and its shape, never without its word."""

from __future__ import annotations

import re
from typing import Final

#: Kinds from the most urgent; each has a class in the style and a symbol in `icons.svg`.
KINDS: Final = {
    "bad": ("dead", "failed", "terminated", "critical", "error", "refused", "unauthorized", "open"),
    "warn": ("unknown", "blocked", "throttled", "warning", "spam", "paused", "waits", "problem"),
    "busy": ("queued", "sending", "running", "progress"),
    "ok": ("delivered", "done", "ok", "started", "live", "closed", "matches"),
    "off": ("configured", "cancelled", "shadow", "none", "no"),
}
_KIND_OF: Final = {word: kind for kind, words in KINDS.items() for word in words}
_ORDER: Final = tuple(KINDS)


def find_kind(text: str) -> str:
    """Return the most urgent kind of the words in a status such as `delivered, failed`."""
    found = {_KIND_OF[word] for word in re.split(r"[^a-z]+", text) if word in _KIND_OF}
    return next((kind for kind in _ORDER if kind in found), "off")
