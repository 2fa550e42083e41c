"""Differences between two JSON values, by JSON Pointer (RFC 6901). Pure.

`true` and `1` are different values, and so are `1` and `1.0`: the platform gets other bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isnan
from typing import Final

from bridge.core.model import JSON

MAX_DIFFERENCES: Final = 20  # of two values
_ABSENT: Final = object()
_Pair = tuple[str, JSON, JSON]  # the pointer, and the values before and after


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
    left: list[_Pair] = [(pointer, before, after)]
    while left and len(found) < most:
        path, one, other = left.pop()
        if one is other:
            continue
        if one is _ABSENT:
            found.append(Difference("add", path, None, other))
        elif other is _ABSENT:
            found.append(Difference("remove", path, one, None))
        elif _have_parts(one, other):
            left += reversed(list(_parts(path, one, other)))
        elif not _are_equal(one, other):
            found.append(Difference("replace", path, one, other))
    return found


def escape_step(step: object) -> str:
    """Return a key or an index as a step of a JSON pointer (RFC 6901)."""
    return str(step).replace("~", "~0").replace("/", "~1")


def _have_parts(one: JSON, other: JSON) -> bool:
    return (isinstance(one, Mapping) and isinstance(other, Mapping)) or (
        isinstance(one, list) and isinstance(other, list)
    )


def _parts(path: str, one: JSON, other: JSON) -> Iterator[_Pair]:
    """Yield the members or items of two objects or lists, with `_ABSENT` where one has none."""
    if isinstance(one, Mapping):
        for name in dict.fromkeys([*one, *other]):
            yield f"{path}/{escape_step(name)}", one.get(name, _ABSENT), other.get(name, _ABSENT)
        return
    for at in range(max(len(one), len(other))):
        yield (
            f"{path}/{at}",
            one[at] if at < len(one) else _ABSENT,
            other[at] if at < len(other) else _ABSENT,
        )


def _are_equal(one: JSON, other: JSON) -> bool:
    if type(one) is not type(other):
        return False
    return bool(one == other) or (isinstance(one, float) and isnan(one) and isnan(other))
