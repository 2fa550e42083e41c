"""Explain why a route does not match an event: the failed clauses, expected and found. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson

from bridge.core.model import JSON
from bridge.routing.matching.clauses import Clause, ClauseResult, Context

MAX_VALUE_LENGTH: Final = 100  # characters of a quoted value
_EXPECTED: Final = {
    "eq": "expected {}",
    "ne": "expected anything but {}",
    "in": "expected one of {}",
    "not_in": "expected none of {}",
    "gt": "expected more than {}",
    "gte": "expected at least {}",
    "lt": "expected less than {}",
    "lte": "expected at most {}",
    "contains": "expected a text or list that contains {}",
    "starts_with": "expected a text that starts with {}",
    "ends_with": "expected a text that ends with {}",
    "regex": "expected a text that fits the pattern {}",
}


def explain_type(patterns: Sequence[str], event_type: str | None) -> str:
    """Return why the event's type matches none of the types in `on`."""
    expected = f"one of {_one_of(patterns)}" if len(patterns) > 1 else _one_of(patterns)
    return f"event.type: expected {expected}, found {_quote(event_type)}"


def explain_mismatch(match: Clause, context: Context) -> list[str]:
    """Return a line for each clause that makes `match` false; none if it is true."""
    return _reasons(match.explain(context), expected_verdict=True)


def _reasons(verdict: ClauseResult, *, expected_verdict: bool) -> list[str]:
    """Return why the result of a clause is not `expected_verdict`.

    Within `not`, the clauses that are true make it false.
    """
    if verdict.verdict is expected_verdict:
        return []
    if verdict.operator == "not":
        return _reasons(verdict.inner[0], expected_verdict=not expected_verdict)
    if verdict.inner:
        return [
            line
            for clause in verdict.inner
            for line in _reasons(clause, expected_verdict=expected_verdict)
        ]
    return [_line(verdict, expected_verdict=expected_verdict)]


def _line(verdict: ClauseResult, *, expected_verdict: bool) -> str:
    if verdict.problem is not None:
        return f"{verdict.path}: {verdict.problem}"
    hint = (
        f" (did you mean {' and '.join(f'`{path}`' for path in verdict.near)}?)"
        if verdict.near
        else ""
    )
    if verdict.operator == "when":
        compared = ", ".join(f"{text} is {_quote(value)}" for text, value in verdict.parts)
        came = f"when: {verdict.expected} is {_quote(verdict.found)}" + (
            "" if expected_verdict else ", within `not`"
        )
        return f"{came}: {compared}{hint}" if compared else f"{came}{hint}"
    if verdict.operator == "exists":
        expected = f"expected {'a value' if verdict.expected is True else 'no value'}"
    else:
        quoted = (
            _one_of(verdict.expected)
            if isinstance(verdict.expected, list)
            else _quote(verdict.expected)
        )
        expected = _EXPECTED[verdict.operator].format(quoted)
    return (
        f"{verdict.path}: {expected if expected_verdict else f'not ({expected})'}, found"
        f" {_quote(verdict.found)}{hint}"
    )


def _one_of(values: Sequence[JSON]) -> str:
    return _shorten(", ".join(map(_quote, values)))


def _quote(value: JSON) -> str:
    """Return a value as shortened JSON; null is `nothing`, since a missing value counts as null."""
    if value is None:
        return "nothing"
    try:
        text = orjson.dumps(value).decode()
    except TypeError:
        return "a value that JSON cannot hold"
    return _shorten(text)


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 1]}…"
