"""Differences between two JSON values, by JSON Pointer (RFC 6901). Pure.

`true` and `1` are different values, and so are `1` and `1.0`: the platform gets other bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Final

from bridge.core.json_pointers import MAX_POINTER_CHARS, escape_step
from bridge.core.model import JSON

MAX_DIFFERENCES: Final = 20  # of two values
_ABSENT: Final = object()
_Place = tuple["_Place | None", object]  # that of the value around it, and the step from there
_Pair = tuple[object, JSON, JSON]  # the step, and the values before and after


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: `op` is `add`, `remove` or `replace`, as in a JSON Patch.

    `path` is a JSON Pointer. `before` is null for `add`, `after` is null for `remove`.
    """

    op: str
    path: str
    before: JSON = None
    after: JSON = None


def find_differences(
    before: JSON, after: JSON, pointer: str = "", most: int = MAX_DIFFERENCES
) -> list[Difference]:
    """Return the first `most` differences, in the order of the values; none if they are equal.

    Members of objects are compared by name, and items of lists by position. `pointer`: of both.
    """
    found: list[Difference] = []
    left: list[tuple[_Place | None, Iterator[_Pair]]] = [(None, iter([(None, before, after)]))]
    while left and len(found) < most:
        around, pairs = left[-1]
        pair = next(pairs, None)
        if pair is None:
            left.pop()
            continue
        step, one, other = pair
        if one is other:
            continue
        place = None if step is None else (around, step)
        if one is _ABSENT:
            found.append(Difference("add", _write_pointer(pointer, place), None, other))
        elif other is _ABSENT:
            found.append(Difference("remove", _write_pointer(pointer, place), one, None))
        elif _have_parts(one, other):
            left.append((place, _parts(one, other)))
        elif not _are_equal(one, other):
            found.append(Difference("replace", _write_pointer(pointer, place), one, other))
    return found


def _have_parts(one: JSON, other: JSON) -> bool:
    return (isinstance(one, Mapping) and isinstance(other, Mapping)) or (
        isinstance(one, list) and isinstance(other, list)
    )


def _parts(one: JSON, other: JSON) -> Iterator[_Pair]:
    """Yield the members or items of two objects or lists, with `_ABSENT` where one has none."""
    if isinstance(one, Mapping):
        for name in one:
            yield name, one[name], other.get(name, _ABSENT)
        for name in other:
            if name not in one:
                yield name, _ABSENT, other[name]
        return
    for at in range(max(len(one), len(other))):
        yield (
            at,
            one[at] if at < len(one) else _ABSENT,
            other[at] if at < len(other) else _ABSENT,
        )


def _write_pointer(start: str, place: _Place | None) -> str:
    """Return the pointer of a place, of which only one with a difference is written.

    A longer one than `MAX_POINTER_CHARS` is cut: a key may be as long as a body.
    """
    steps = []
    while place is not None:
        place, step = place
        steps.append(f"/{escape_step(str(step)[:MAX_POINTER_CHARS])}")
    pointer = start + "".join(reversed(steps))
    return pointer if len(pointer) <= MAX_POINTER_CHARS else f"{pointer[:MAX_POINTER_CHARS]}…"


def _are_equal(one: JSON, other: JSON) -> bool:
    if type(one) is not type(other):
        return False
    return bool(one == other) or (isinstance(one, float) and isnan(one) and isnan(other))
