"""The operators of `match`, one row each. Pure.

A missing value counts as null. A value of another type than the operator needs does not match.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.core.linear_regex import Pattern
from bridge.core.model import JSON
from bridge.routing.functions.signature import type_of
from bridge.routing.functions.values import equal

MAX_REGEX_TEXT = 1000  # characters of a value that `regex` searches


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[JSON], Callable[[JSON], bool]]:
    def with_expected(expected: JSON) -> Callable[[JSON], bool]:
        kind = type_of(expected)
        return lambda actual: type_of(actual) == kind and compare(actual, expected)

    return with_expected


def _of_text(test: Callable[[str, str], bool]) -> Callable[[JSON], Callable[[JSON], bool]]:
    return lambda expected: lambda actual: isinstance(actual, str) and test(actual, expected)


def _contains(expected: JSON) -> Callable[[JSON], bool]:
    def test(actual: JSON) -> bool:
        if isinstance(actual, str):
            return isinstance(expected, str) and expected in actual
        return isinstance(actual, list) and any(equal(item, expected) for item in actual)

    return test


def _regex(expected: str) -> Callable[[JSON], bool]:
    pattern = Pattern(expected)
    return lambda actual: isinstance(actual, str) and pattern.search(actual[:MAX_REGEX_TEXT])


@dataclass(frozen=True, slots=True)
class Operator:
    """A row of the operator table: the JSON types of `expected`, and the test."""

    name: str
    types: tuple[str, ...]
    test: Callable[[Any], Callable[[JSON], bool]]
    doc: str


_ALL_TYPES = ("string", "number", "boolean", "null", "array", "object")

OPERATORS: dict[str, Operator] = {
    row.name: row
    for row in (
        Operator(
            "eq",
            _ALL_TYPES,
            lambda want: lambda actual: equal(actual, want),
            "is the same JSON value",
        ),
        Operator(
            "ne",
            _ALL_TYPES,
            lambda want: lambda actual: not equal(actual, want),
            "is a different JSON value, or missing",
        ),
        Operator(
            "in",
            ("array",),
            lambda want: lambda actual: any(equal(actual, option) for option in want),
            "is one of these",
        ),
        Operator(
            "not_in",
            ("array",),
            lambda want: lambda actual: not any(equal(actual, option) for option in want),
            "is none of these, or missing",
        ),
        Operator(
            "gt",
            ("number", "string"),
            _ordered(lambda a, b: a > b),
            "is greater (numbers, or texts in alphabetical order)",
        ),
        Operator(
            "gte", ("number", "string"), _ordered(lambda a, b: a >= b), "is greater or the same"
        ),
        Operator("lt", ("number", "string"), _ordered(lambda a, b: a < b), "is less"),
        Operator("lte", ("number", "string"), _ordered(lambda a, b: a <= b), "is less or the same"),
        Operator(
            "exists",
            ("boolean",),
            lambda want: lambda actual: (actual is not None) is want,
            "exists and is not null",
        ),
        Operator(
            "contains",
            ("string", "number", "boolean", "null"),
            _contains,
            "contains this substring (a text) or element (an array)",
        ),
        Operator(
            "starts_with", ("string",), _of_text(str.startswith), "is a text that starts with this"
        ),
        Operator("ends_with", ("string",), _of_text(str.endswith), "is a text that ends with this"),
        Operator(
            "regex",
            ("string",),
            _regex,
            f"is a text that matches the pattern in its first {MAX_REGEX_TEXT} characters",
        ),
    )
}
