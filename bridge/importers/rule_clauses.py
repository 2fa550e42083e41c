"""Boolean conditions on an event, simplified and written as `match`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from bridge.core.errors import CompileError
from bridge.routing.matching.matcher import CLAUSE_KEYS, compile_match

MAX_CLAUSES: Final = 500  # of one rule, after it was written out


@dataclass(frozen=True, slots=True)
class Leaf:
    """A clause as `match` has it: one path with its test, or one `when`."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Both:
    """All conditions hold; without any, this is true."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Either:
    """At least one condition holds; without any, this is false."""

    parts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Neither:
    """The condition does not hold."""

    part: Condition


Condition = Leaf | Both | Either | Neither
TRUE: Final = Both()
FALSE: Final = Either()


def both(parts: Sequence[Condition]) -> Condition:
    """Return the condition that all conditions hold."""
    return _combine(Both, parts, decisive=FALSE)


def either(parts: Sequence[Condition]) -> Condition:
    """Return the condition that at least one condition holds."""
    return _combine(Either, parts, decisive=TRUE)


def _combine(
    kind: type[Both | Either], parts: Sequence[Condition], *, decisive: Condition
) -> Condition:
    """Return one flat condition; `decisive` decides it alone, wherever it is a part."""
    flat: list[Condition] = []
    for part in parts:
        flat += part.parts if isinstance(part, kind) else [part]
    kept = _without_copies(flat)
    if decisive in kept:
        return decisive
    return kept[0] if len(kept) == 1 else kind(tuple(kept))


def neither(part: Condition) -> Condition:
    """Return the negation of a condition."""
    if isinstance(part, Neither):
        return part.part
    if part == TRUE:
        return FALSE
    return TRUE if part == FALSE else Neither(part)


def _without_copies(parts: Sequence[Condition]) -> list[Condition]:
    """Return the conditions without leaves that are there before; CompileError if too many."""
    if len(parts) > MAX_CLAUSES:
        raise CompileError(f"the rule needs more than {MAX_CLAUSES} clauses")
    kept: dict[object, Condition] = {}
    for part in parts:
        kept[(part.key, repr(part.value)) if isinstance(part, Leaf) else id(part)] = part
    return list(kept.values())


def write_match(condition: Condition) -> dict[str, Any] | None:
    """Return a condition as `match`: null where it is always true.

    Raises `CompileError` where routes.yaml cannot have it. It must not be `FALSE`.
    """
    if sum(1 for _ in islice(_walk(condition), MAX_CLAUSES + 1)) > MAX_CLAUSES:
        raise CompileError(f"the rule needs more than {MAX_CLAUSES} clauses")
    if condition == TRUE:
        return None
    match = _write(condition)
    if "${" in repr(match):
        raise CompileError("a text with ${ cannot be written into `match`")
    compile_match(match)
    return match


def _walk(condition: Condition) -> Iterator[Condition]:
    stack = [condition]
    while stack:
        current = stack.pop()
        yield current
        if isinstance(current, Both | Either):
            stack += current.parts
        elif isinstance(current, Neither):
            stack.append(current.part)


def _write(condition: Condition) -> dict[str, Any]:
    if isinstance(condition, Leaf):
        return {condition.key: condition.value}
    if isinstance(condition, Neither):
        return _write_not(condition.part)
    parts = [_write(part) for part in condition.parts]
    if isinstance(condition, Either):
        return _join_values(parts) or {"any": parts}
    merged: dict[str, Any] = {}
    others: list[dict[str, Any]] = []
    for key, value in (pair for part in parts for pair in part.items()):
        if key not in merged:
            merged[key] = value
        elif key not in CLAUSE_KEYS and (tests := _join_tests(merged[key], value)) is not None:
            merged[key] = tests
        else:
            others.append({key: value})
    if "all" in merged and others:
        return {"all": parts}
    return {**merged, "all": others} if others else merged


def _write_not(part: Condition) -> dict[str, Any]:
    if isinstance(part, Leaf) and part.key != "when":
        if isinstance(part.value, list):
            return {part.key: {"not_in": part.value}}
        if not isinstance(part.value, dict):
            return {part.key: {"ne": part.value}}
        if set(part.value) == {"exists"}:
            return {part.key: {"exists": not part.value["exists"]}}
    if isinstance(part, Either):
        return {"not": [_write(alternative) for alternative in part.parts]}
    return {"not": _write(part)}


def _join_values(parts: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return `any` of plain values of one path as a list of them, or None."""
    keys = {key for part in parts for key in part}
    values = [value for part in parts for value in part.values()]
    is_plain = all(not isinstance(value, dict) for value in values)
    if len(keys) != 1 or not is_plain or keys & set(CLAUSE_KEYS):
        return None
    listed = [
        choice for value in values for choice in (value if isinstance(value, list) else [value])
    ]
    return {keys.pop(): listed}


def _join_tests(first: Any, other: Any) -> dict[str, Any] | None:
    """Return the operators of two tests of one path in one mapping, or None."""
    if isinstance(first, dict) and isinstance(other, dict) and not set(first) & set(other):
        return first | other
    return None
