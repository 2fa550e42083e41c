"""Filters on values inside events, such as `body.action=opened`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bridge.core.errors import CompileError
from bridge.core.model import JSON

if TYPE_CHECKING:
    from bridge.core.model import Event
    from bridge.routing.matching.clauses import Clause
    from bridge.routing.model import Source

MAX_WHERE_CHARS: Final = 1000
MAX_WHERE_FILTERS: Final = 10
#: The comparison signs, and the operators of `match` that they stand for.
OPERATORS_BY_SIGN: Final = {
    "!=": "ne",
    ">=": "gte",
    "<=": "lte",
    "=": "eq",
    ">": "gt",
    "<": "lt",
}
_WHERE: Final = re.compile(r"([^=<>!]+?)\s*(!=|>=|<=|=|>|<)\s*(.*)", re.DOTALL)


def parse_where(text: str) -> Clause:
    """Return the condition of a filter such as `body.action=opened` or `body.total>=100`.

    The path is one of `match`. The value is JSON, else text. `=100` matches the number and the
    text, `="100"` only the text. Raises `ValueError` with a message for the user.
    """
    match = _WHERE.fullmatch(text) if len(text) <= MAX_WHERE_CHARS else None
    if match is None:
        raise ValueError(
            f"{text[:100]!r} is not a filter: use PATH=VALUE, such as body.action=opened (also"
            f" {' '.join(sign for sign in OPERATORS_BY_SIGN if sign != '=')}), at most"
            f" {MAX_WHERE_CHARS} characters"
        )
    path, sign, value = match.groups()
    _check_path(path)
    try:
        return _compile(path, OPERATORS_BY_SIGN[sign], value)
    except CompileError as error:
        raise ValueError(str(error)) from None


def make_event_test(
    clauses: Sequence[Clause], sources: Mapping[str, Source]
) -> Callable[[Event], bool]:
    """Return a function that says whether an event matches all conditions.

    The body is read as its source does. A body that cannot be read matches no condition on it.
    """
    from bridge.routing.planner import build_context
    from bridge.services.usable_config import body_reader

    read = body_reader(sources)

    def test(event: Event) -> bool:
        context = build_context(event, read(event), event.received_at)
        return all(clause(context) for clause in clauses)

    return test


def _check_path(path: str) -> None:
    """Raise `ValueError` unless it is a path of `match`, whose own errors are for `routes.yaml`."""
    # not above: every command with filters imports this module
    from bridge.core.typos import suggest
    from bridge.routing.expressions.roots import ROOTS
    from bridge.routing.matching.matcher import path_steps

    root = path.partition(".")[0]
    if root not in ROOTS:
        raise ValueError(
            f"no part of an event is called `{root}`; {suggest(root, ROOTS)}allowed:"
            f" {', '.join(ROOTS)}"
        )
    try:
        path_steps(path)
    except CompileError:
        raise ValueError(f"`{path}` is not a path such as body.items.0.name") from None


def _compile(path: str, operator: str, value: str) -> Clause:
    # not above: every command with filters imports this module
    from bridge.routing.matching.matcher import compile_match

    expected = _as_json(value)
    if operator in ("eq", "ne") and not isinstance(expected, str):  # written without quotes
        test: JSON = {"any": [{path: {"eq": expected}}, {path: {"eq": value}}]}
        return compile_match(test if operator == "eq" else {"not": test})
    return compile_match({path: {operator: expected}})


def _as_json(value: str) -> JSON:
    """Return a number, a boolean, null or a quoted text as such, and anything else as text."""
    try:
        parsed: JSON = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return value if isinstance(parsed, list | dict) else parsed
