"""Counts with their nouns. Pure."""

from __future__ import annotations


def pluralize(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: 1 row, 2 rows. `many`: the plural if it is irregular."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"
