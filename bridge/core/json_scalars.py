"""Iterates over the scalars of a JSON value. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.core.model import JSON


def iterate_scalars(value: JSON) -> Iterator[JSON]:
    """Yield the strings, numbers, booleans and nulls of a value in their order.

    It does not recurse, since a sender decides how deep a value nests.
    """
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += reversed(one.values())
        elif isinstance(one, list):
            waiting += reversed(one)
        else:
            yield one
