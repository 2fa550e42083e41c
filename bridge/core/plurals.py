"""Counts in words. Pure."""

from __future__ import annotations


def number(count: int, one: str, many: str = "") -> str:
    """Return how many there are, in words: 1 row, 2 rows. `many`: where it is not made by an s."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"
