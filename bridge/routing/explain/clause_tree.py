"""Explain the clauses of a route as they are written, each with its value and near misses. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson

from bridge.core.locators import as_text
from bridge.core.model import JSON
from bridge.core.typos import find_typo
from bridge.routing.explain.near_paths import (
    MAX_KEYS,
    MAX_NEAR,
    NearMiss,
    find_inside,
    find_near_paths,
)
from bridge.routing.expressions.compile import Expression
from bridge.routing.expressions.condition_tree import ConditionPart
from bridge.routing.functions.signature import type_of
from bridge.routing.functions.values import equal
from bridge.routing.matching.clauses import ClauseResult
from bridge.routing.matching.matcher import match_type, path_steps
from bridge.routing.matching.operators import MAX_REGEX_TEXT, OPERATORS
from bridge.routing.model import Context

MAX_COMPARED_CHARS: Final = 200  # of a text that is compared with a similar one
MAX_NUMBER_CHARS: Final = 40  # of a text that is read as a number
MAX_SEARCHED_CHARS: Final = 100_000  # of a found text

CASE_OR_BLANKS: Final = "it differs in case or blanks"
SPELLING: Final = "it is spelt differently"
_TYPE_NAMES: Final = {
    "string": "a text",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
_TYPE_SEPARATORS: Final = re.compile(r"[-_./: ]")

Find = Callable[[JSON, JSON], Iterator[NearMiss]]


def find_near_values(operator: str, expected: JSON, actual: JSON) -> tuple[NearMiss, ...]:
    """Return the values that a comparison nearly found: `100` for "100", `opened` for "Opened".

    For a comparison that is false. An operator that refuses a value (`ne`) has none.
    """
    search = _SEARCHES.get(operator)
    if isinstance(actual, str):
        actual = actual[:MAX_SEARCHED_CHARS]
    return () if search is None else tuple(islice(search(expected, actual), MAX_NEAR))


def find_near_types(patterns: Sequence[str], event_type: str | None) -> tuple[NearMiss, ...]:
    """Return the patterns of `on` that an event's type nearly matches."""
    if event_type is None:
        return ()
    text = event_type[:MAX_COMPARED_CHARS]
    near = (
        NearMiss(pattern, note)
        for pattern in patterns
        if (note := _near_pattern(pattern[:MAX_COMPARED_CHARS], text)) is not None
    )
    return tuple(islice(near, MAX_NEAR))


def _near_pattern(pattern: str, text: str) -> str | None:
    """Return how a type differs from a pattern that it nearly matches, else None."""
    if match_type((_fold_type(pattern),), _fold_type(text)):
        return "it differs in case or separators"
    if pattern.partition(".")[0] == text:
        return f"the type is {text}; the body says the rest"
    if match_type((f"{pattern}.*",), text):
        return f"{pattern}.* matches it"
    names = pattern.split(".")
    others = text.split(".")
    is_near = len(names) == len(others) and all(
        name in ("*", other) or find_typo(other, [name]) is not None
        for name, other in zip(names, others, strict=True)
    )
    return SPELLING if is_near else None


def _fold_type(text: str) -> str:
    return _TYPE_SEPARATORS.sub(".", text.strip()).casefold()


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _near_equal(expected: JSON, actual: JSON) -> str | None:
    """Return how a value differs from the one that it nearly is, else None."""
    if isinstance(expected, str) and isinstance(actual, str):
        if max(len(expected), len(actual)) > MAX_COMPARED_CHARS:
            return None
        if _fold(expected) == _fold(actual):
            return CASE_OR_BLANKS
        return SPELLING if find_typo(actual, [expected]) is not None else None
    converted = _convert(actual)
    is_near = converted is not None and equal(converted[0], expected)
    return _describe_type(actual, expected) if is_near else None


def _convert(actual: JSON) -> tuple[JSON] | None:
    """Return a value as the other type that it may be written as: a text for a number, or reverse.

    None where there is no other.
    """
    if not isinstance(actual, str):
        text = as_text(actual)
        return None if text is None else (text,)
    if len(actual) > MAX_NUMBER_CHARS:
        return None
    try:
        value = orjson.loads(actual.strip())
    except orjson.JSONDecodeError:
        return None
    return None if isinstance(value, (str, list, dict)) else (value,)


def _describe_type(actual: JSON, expected: JSON) -> str:
    names = _TYPE_NAMES[type_of(actual)], _TYPE_NAMES[type_of(expected)]
    return f"the value is {names[0]}, not {names[1]}"


def _search_equal(expected: JSON, actual: JSON) -> Iterator[NearMiss]:
    note = _near_equal(expected, actual)
    if note is not None:
        yield NearMiss(expected, note)


def _search_list(expected: JSON, actual: JSON) -> Iterator[NearMiss]:
    for option in islice(expected, MAX_KEYS):
        yield from _search_equal(option, actual)


def _search_order(expected: JSON, actual: JSON) -> Iterator[NearMiss]:
    """Yield the value as the type that it is compared as."""
    converted = _convert(actual)
    if converted is not None and type_of(converted[0]) == type_of(expected) != type_of(actual):
        yield NearMiss(converted[0], _describe_type(actual, expected))


def _search_text(operator: str) -> Find:
    """Return the search for `starts_with` and `ends_with`."""

    def search(expected: JSON, actual: JSON) -> Iterator[NearMiss]:
        if not isinstance(actual, str):
            yield from _search_as_text(operator, expected, actual)
        elif expected.strip() and OPERATORS[operator].test(_fold(expected))(_fold(actual)):
            length = len(expected.strip())
            text = actual.strip()
            yield NearMiss(
                text[:length] if operator == "starts_with" else text[-length:], CASE_OR_BLANKS
            )

    return search


def _search_contains(expected: JSON, actual: JSON) -> Iterator[NearMiss]:
    if isinstance(actual, list):
        for element in islice(actual, MAX_KEYS):
            note = _near_equal(expected, element)
            if note is not None:
                yield NearMiss(element, note)
    elif isinstance(actual, str) and isinstance(expected, str):
        text = expected.strip()
        near = re.search(re.escape(text), actual, re.IGNORECASE) if text else None
        if near is not None:
            yield NearMiss(near[0], CASE_OR_BLANKS)
    elif isinstance(expected, str):
        yield from _search_as_text("contains", expected, actual)


def _search_regex(expected: JSON, actual: JSON) -> Iterator[NearMiss]:
    test = OPERATORS["regex"].test(expected)
    if not isinstance(actual, str):
        yield from _search_as_text("regex", expected, actual)
        return
    start = actual[:MAX_REGEX_TEXT]
    for variant in (start.strip(), start.lower(), start.upper()):
        if test(variant):
            yield NearMiss(variant[:MAX_COMPARED_CHARS], CASE_OR_BLANKS)
            return


def _search_as_text(operator: str, expected: JSON, actual: JSON) -> Iterator[NearMiss]:
    """Yield a number, true or false as a text, if the comparison is true for that."""
    text = as_text(actual)
    if text is not None and OPERATORS[operator].test(expected)(text):
        yield NearMiss(text, _describe_type(actual, ""))


_SEARCHES: Final[dict[str, Find]] = {
    "eq": _search_equal,
    "in": _search_list,
    **dict.fromkeys(("gt", "gte", "lt", "lte"), _search_order),
    **{name: _search_text(name) for name in ("starts_with", "ends_with")},
    "contains": _search_contains,
    "regex": _search_regex,
}


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
        return tuple(clause for inner in result.inner for clause in explain_clauses(inner, roots))
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
            near = tuple(near_miss for near_miss in near if not near_miss.note)
        yield from near
    elif not result.verdict and result.operator not in _TRUE_IF_MISSING:
        yield from find_near_values(result.operator, result.expected, result.found)
        test = OPERATORS[result.operator].test(result.expected)
        yield from find_inside(steps, result.found, test)


def _explain_when(
    result: ClauseResult, expression: Expression, roots: Context
) -> ClauseExplanation:
    tree = _explain_part(expression.explain(roots), roots)
    near = dict.fromkeys(near_miss for part in _leaves(tree) for near_miss in part.near)
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
        tuple(_explain_part(child, roots) for child in part.parts),
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
