"""Explain the clauses of a route as they are written, each with its value and near misses. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.core.model import JSON
from bridge.routing.explain.near_paths import MAX_NEAR, NearMiss, find_inside, find_near_paths
from bridge.routing.explain.near_values import find_near_types, find_near_values
from bridge.routing.expressions.compile import Expression
from bridge.routing.expressions.condition_tree import ConditionPart
from bridge.routing.matching.clauses import ClauseResult
from bridge.routing.matching.matcher import match_type, path_steps
from bridge.routing.matching.operators import OPERATORS
from bridge.routing.model import Context

TYPE_PATH: Final = "event.type"
GROUPS: Final = ("any", "all", "not")
#: Operators that are true for a missing value, for which only a misspelt path is a near miss.
_TRUE_IF_MISSING: Final = ("ne", "not_in", "exists")
#: A comparison of a condition -> the operator of `match` that does the same, and with its sides
#: swapped.
_AS_OPERATORS: Final = {
    "==": ("eq", "eq"),
    "<": ("lt", "gt"),
    "<=": ("lte", "gte"),
    ">": ("gt", "lt"),
    ">=": ("gte", "lte"),
}


@dataclass(frozen=True, slots=True)
class PartExplanation:
    """One part of a `when`, with its near misses; the other fields are those of `ConditionPart`."""

    part: ConditionPart
    near: tuple[NearMiss, ...]
    parts: tuple[PartExplanation, ...]


@dataclass(frozen=True, slots=True)
class ClauseExplanation:
    """One clause with the value found.

    `path` and `expected` are null for `any`, `all` and `not`, which have `clauses`; a `when` has
    a `tree` of its parts. `problem`: why a `when` cannot be evaluated.
    """

    path: str | None
    operator: str
    expected: JSON
    found: JSON
    ok: bool
    near: tuple[NearMiss, ...] = ()
    clauses: tuple[ClauseExplanation, ...] = ()
    tree: PartExplanation | None = None
    problem: str | None = None

    @property
    def parts(self) -> tuple[PartExplanation, ...]:
        """The parts of a `when`; one that is a single value is its only part."""
        return () if self.tree is None else self.tree.parts or (self.tree,)


def explain_types(patterns: Sequence[str], event_type: str | None) -> ClauseExplanation:
    """Return the clause of a route's event types."""
    ok = match_type(patterns, event_type)
    near = () if ok else find_near_types(patterns, event_type)
    return ClauseExplanation(TYPE_PATH, "in", list(patterns), event_type, ok, near)


def explain_clauses(result: ClauseResult, roots: Context) -> tuple[ClauseExplanation, ...]:
    """Return the clauses of `match` and `when` in the order and nesting of routes.yaml."""
    if result.operator == "all" and not result.is_written:
        return tuple(one for inner in result.inner for one in explain_clauses(inner, roots))
    return (_explain(result, roots),)


def _explain(result: ClauseResult, roots: Context) -> ClauseExplanation:
    if result.operator in GROUPS:
        # the keys of a mapping are the clauses of `not`, but one clause of `any` and `all`
        clauses = (
            explain_clauses(result.inner[0], roots)
            if result.operator == "not"
            else tuple(_explain(inner, roots) for inner in result.inner)
        )
        return ClauseExplanation(None, result.operator, None, None, result.verdict, clauses=clauses)
    if result.expression is not None:
        return _explain_when(result, result.expression, roots)
    near = tuple(_near_misses(result, roots))[:MAX_NEAR]
    return ClauseExplanation(
        result.path, result.operator, result.expected, result.found, result.verdict, near
    )


def _near_misses(result: ClauseResult, roots: Context) -> Iterator[NearMiss]:
    steps = path_steps(result.path)
    if result.found is None:
        near = find_near_paths(steps, roots)
        if result.operator in _TRUE_IF_MISSING and result.verdict:
            near = tuple(one for one in near if not one.note)
        yield from near
    elif not result.verdict and result.operator not in _TRUE_IF_MISSING:
        yield from find_near_values(result.operator, result.expected, result.found)
        test = OPERATORS[result.operator].test(result.expected)
        yield from find_inside(steps, result.found, test)


def _explain_when(
    result: ClauseResult, expression: Expression, roots: Context
) -> ClauseExplanation:
    tree = _explain_part(expression.explain(roots), roots)
    near = dict.fromkeys(one for part in _leaves(tree) for one in part.near)
    return ClauseExplanation(
        "when",
        "when",
        result.expected,
        result.found,
        result.verdict,
        tuple(near)[:MAX_NEAR] if not result.verdict else (),
        tree=tree,
        problem=result.problem,
    )


def _leaves(tree: PartExplanation) -> Iterator[PartExplanation]:
    yield tree
    for part in tree.parts:
        yield from _leaves(part)


def _explain_part(part: ConditionPart, roots: Context) -> PartExplanation:
    return PartExplanation(
        part,
        tuple(_near_of_part(part, roots))[:MAX_NEAR],
        tuple(_explain_part(one, roots) for one in part.parts),
    )


def _near_of_part(part: ConditionPart, roots: Context) -> Iterator[NearMiss]:
    if part.operator is None:
        if len(part.steps) > 1 and part.found is None:
            yield from find_near_paths(part.steps, roots, dotted=False)
    elif part.operator in _AS_OPERATORS and not part.ok and len(part.parts) == 2:
        left, right = part.parts
        as_written, swapped = _AS_OPERATORS[part.operator]
        if right.is_literal and left.found is not None:
            yield from find_near_values(as_written, right.found, left.found)
        elif left.is_literal and right.found is not None:
            yield from find_near_values(swapped, left.found, right.found)
