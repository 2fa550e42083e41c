"""Counts with their nouns. Pure."""

from __future__ import annotations


def pluralize(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: 1 row, 2 rows. `many`: the plural if it is irregular."""
    return f"{count} {choose_noun(count, one, many)}"


def choose_noun(count: float, one: str, many: str = "") -> str:
    """Return the noun for a count, for one that is written apart."""
    return one if count == 1 else many or f"{one}s"
