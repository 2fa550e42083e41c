"""Lists of the event types that senders document: one file for each provider with a list."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def documented_types(provider: str) -> frozenset[str]:
    """Return the event types in the list of a provider."""
    text = files(__package__).joinpath(f"{provider}.txt").read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))
