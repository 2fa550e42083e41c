"""JSON values: pointers into them (RFC 6901), their scalars, limits and differences. Pure.

https://www.rfc-editor.org/rfc/rfc6901

The depth and size of JSON are measured from its bytes, before it is parsed: a small body can take
forty times its size in memory once parsed (`[{"":0},{"":0},…`).

In a difference `true` and `1` are different values, and so are `1` and `1.0`: the platform gets
other bytes. orjson cannot write values that nest deeper than 254 levels; `write_json` can.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import isnan
from typing import Final

import orjson

from bridge.core.errors import BridgeError
from bridge.core.model import JSON


def iterate_scalars(value: JSON) -> Iterator[JSON]:
    """Yield the strings, numbers, booleans and nulls of a value in their order.

    It does not recurse, since a sender decides how deep a value nests.
    """
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += reversed(node.values())
        elif isinstance(node, list):
            waiting += reversed(node)
        else:
            yield node


# of JSON that is parsed before its signature is verified: some ten megabytes
MAX_VALUES = 50_000
# bytes of an unverified request that tests a URL or delivers a secret
MAX_TEST_BYTES = 16 * 1024

# Possessive, and a string may lack its end: every byte is read once, whatever the bytes are.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
_TO_NEXT_MARK = re.compile(rb'(?:"(?:[^"\\]++|\\.?)*+"?+|[^"\[{,]++)*+[\[{,]?+', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def exceeds_depth(raw: bytes, limit: int) -> bool:
    """Return whether the JSON text `raw` nests deeper than `limit`.

    Nearly every body has fewer brackets in all than `limit`, and passes by a count of them.
    """
    if _count(raw, b"{", limit + 1) + _count(raw, b"[", limit + 1) <= limit:
        return False
    depth = 0
    for bracket in _STRINGS.sub(b"", raw).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > limit:
            return True
    return False


def exceeds_values(raw: bytes, limit: int = MAX_VALUES) -> bool:
    """Return whether the JSON text `raw` may hold more than `limit` values.

    Each value but the first follows a comma or a bracket. Commas and brackets inside of strings are
    excluded only if the plain count is over the limit.
    """
    if sum(_count(raw, mark, limit + 1) for mark in (b",", b"[", b"{")) <= limit:
        return False
    return sum(1 for _ in islice(_TO_NEXT_MARK.finditer(raw), limit + 1)) > limit


def _count(raw: bytes, byte: bytes, limit: int) -> int:
    """Return how often a byte occurs, at most `limit`.

    `bytes.count` compares byte by byte, which takes nine times as long where the byte is rare.
    """
    return len(raw) - len(raw.replace(byte, b"", limit))


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
    before: JSON, after: JSON, pointer: str = "", limit: int = MAX_DIFFERENCES
) -> list[Difference]:
    """Return the first `limit` differences, in the order of the values; none if they are equal.

    Members of objects are compared by name, and items of lists by position. `pointer`: of both.
    """
    differences: list[Difference] = []
    left: list[tuple[_Place | None, Iterator[_Pair]]] = [(None, iter([(None, before, after)]))]
    while left and len(differences) < limit:
        around, pairs = left[-1]
        pair = next(pairs, None)
        if pair is None:
            left.pop()
            continue
        step, first, other = pair
        if first is other:
            continue
        place = None if step is None else (around, step)
        if first is _ABSENT:
            differences.append(Difference("add", _write_pointer(pointer, place), None, other))
        elif other is _ABSENT:
            differences.append(Difference("remove", _write_pointer(pointer, place), first, None))
        elif _have_parts(first, other):
            left.append((place, _parts(first, other)))
        elif not _are_equal(first, other):
            differences.append(Difference("replace", _write_pointer(pointer, place), first, other))
    return differences


def _have_parts(first: JSON, other: JSON) -> bool:
    return (isinstance(first, Mapping) and isinstance(other, Mapping)) or (
        isinstance(first, list) and isinstance(other, list)
    )


def _parts(first: JSON, other: JSON) -> Iterator[_Pair]:
    """Yield the members or items of two objects or lists, with `_ABSENT` where one has none."""
    if isinstance(first, Mapping):
        for name in first:
            yield name, first[name], other.get(name, _ABSENT)
        for name in other:
            if name not in first:
                yield name, _ABSENT, other[name]
        return
    for at in range(max(len(first), len(other))):
        yield (
            at,
            first[at] if at < len(first) else _ABSENT,
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


def _are_equal(first: JSON, other: JSON) -> bool:
    if type(first) is not type(other):
        return False
    return bool(first == other) or (isinstance(first, float) and isnan(first) and isnan(other))


INDENT_SPACES: Final = 2


class TooDeepValue(BridgeError):
    """A value nests too deeply to be written as JSON."""

    def __init__(self) -> None:
        super().__init__("a value nests too deeply to be written as JSON")


def write_json(value: JSON, *, is_indented: bool = False) -> bytes:
    """Return `value` as UTF-8 JSON. Raises `TooDeepValue`.

    A source may allow bodies of 500 levels. Python's own writer, which is slower, takes some 900:
    as many as its stack has left.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if is_indented else None)
    except orjson.JSONEncodeError:
        pass
    indent = INDENT_SPACES if is_indented else None
    separators = (",", ": " if is_indented else ":")
    try:
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
    except RecursionError:
        raise TooDeepValue from None
    return text.encode("utf-8", "replace")


MAX_POINTER_CHARS: Final = 4000
_WRONG_ESCAPE: Final = re.compile("~(?![01])")
_INDEX: Final = re.compile("0|[1-9][0-9]{0,8}")


class MissingPlace(LookupError):
    """A pointer leads nowhere. `steps` of it exist; the value there, `around`, has no `name`."""

    def __init__(self, steps: tuple[str | int, ...], around: JSON, name: str) -> None:
        self.steps = steps
        self.around = around
        self.name = name
        super().__init__(name)


def escape_step(step: object) -> str:
    """Return a key or an index as a step of a pointer."""
    return str(step).replace("~", "~0").replace("/", "~1")


def write_pointer(steps: Sequence[str | int]) -> str:
    """Return keys and indexes as a pointer."""
    return "".join(f"/{escape_step(step)}" for step in steps)


def parse_pointer(text: str) -> tuple[str, ...]:
    """Return the names of a pointer; none for the empty one, which is that of the whole value.

    Raises `ValueError` with a message for the user.
    """
    if len(text) > MAX_POINTER_CHARS:
        raise ValueError(f"it has {len(text)} characters; allowed are at most {MAX_POINTER_CHARS}")
    if text and not text.startswith("/"):
        raise ValueError("a JSON pointer is empty or begins with `/`, as in `/issue/title`")
    if _WRONG_ESCAPE.search(text):
        raise ValueError("a JSON pointer writes `~` in a name as `~0`, and `/` as `~1`")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def follow_pointer(value: JSON, names: Sequence[str]) -> tuple[tuple[str | int, ...], JSON]:
    """Return the steps to the value at a parsed pointer, and the value. Raises `MissingPlace`."""
    steps: list[str | int] = []
    for name in names:
        if isinstance(value, Mapping) and name in value:
            value = value[name]
            steps.append(name)
        elif isinstance(value, list | tuple) and _INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
            steps.append(int(name))
        else:
            raise MissingPlace(tuple(steps), value, name)
    return tuple(steps), value


def find_value(value: JSON, pointer: str) -> JSON:
    """Return the value at a pointer. Raises `ValueError`, or `MissingPlace` if there is none."""
    return follow_pointer(value, parse_pointer(pointer))[1]
