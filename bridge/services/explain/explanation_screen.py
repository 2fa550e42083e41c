"""The screen of an explanation, beside its JSON: lines of clauses, inputs and near misses. Pure.

Texts are longer than a line of the screen, which cuts them to its width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.core.model import JSON
from bridge.routing.explain.clause_tree import GROUPS, TYPE_PATH
from bridge.routing.explain.explanation import Rank
from bridge.services.records.explanation_records import EXPLANATION
from bridge.services.records.json_record import expect_shape

if TYPE_CHECKING:
    from bridge.routing.explain.clause_tree import ClauseExplanation, PartExplanation
    from bridge.routing.explain.explanation import RouteExplanation
    from bridge.routing.explain.near_paths import NearMiss
    from bridge.services.explain.explanations import EventExplanation

MAX_LINES: Final = 40  # clauses of one route, and inputs of one route
MAX_TEXT_CHARS: Final = 300  # of a text that a screen cuts

Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClauseLine:
    """A line of a clause. `level`: how deep it nests. `ok`: null for a side of a comparison."""

    level: int
    ok: bool | None
    path: str
    test: str = ""
    found: str = ""
    near: Sequence[str] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteScreen:
    """A route on the screen. `inputs` are names and values, or one value without a name.

    `line_count` and `input_count`: how many there are, of which the first are listed.
    """

    route: str
    flows: Sequence[str]
    mode: str
    matches: bool
    problem: str | None
    rank: Rank
    failed: int
    clauses: int
    lines: Sequence[ClauseLine]
    line_count: int
    inputs: Sequence[tuple[str | None, str]]
    input_count: int
    missing: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationScreen:
    """The explanation of one event on the screen."""

    name: str
    source: str
    type: str | None
    received_at: str | None
    problem: str | None
    routes: Sequence[RouteScreen]


def describe_explanation(explanation: EventExplanation) -> dict[str, JSON]:
    """Return an explanation in the shape of `explain --json`, with the key `screen`."""
    screen = {"routes": [_describe_route(route) for route in explanation.routes]}
    return EXPLANATION.write(explanation, screen=screen)


@expect_shape()
def parse_explanation(shape: Shape) -> ExplanationScreen:
    """Return the screen of an explanation from its JSON."""
    routes = zip(shape["routes"], shape["screen"]["routes"], strict=True)
    return ExplanationScreen(
        name=str(shape["event_id"] or shape["reject_id"] or "not stored"),
        source=str(shape["source"]),
        type=_text_or_none(shape["type"]),
        received_at=_text_or_none(shape["received_at"]),
        problem=_text_or_none(shape["problem"]),
        routes=[_parse_route(*pair) for pair in routes],
    )


def _parse_route(shape: Shape, screen: Shape) -> RouteScreen:
    return RouteScreen(
        route=str(shape["route"]),
        flows=[str(flow) for flow in shape["flows"]],
        mode=str(shape["mode"]),
        matches=bool(shape["matches"]),
        problem=_text_or_none(shape["problem"]),
        rank=Rank(screen["rank"]),
        failed=int(screen["failed"]),
        clauses=int(screen["clauses"]),
        lines=[_parse_line(line) for line in screen["lines"][:MAX_LINES]],
        line_count=int(screen["line_count"]),
        inputs=[(_text_or_none(name), str(text)) for name, text in screen["inputs"][:MAX_LINES]],
        input_count=int(screen["input_count"]),
        missing=[str(text) for text in screen["missing"][:MAX_LINES]],
    )


def _parse_line(shape: Shape) -> ClauseLine:
    return ClauseLine(
        level=min(max(int(shape["level"]), 0), MAX_LINES),
        ok=None if shape["ok"] is None else bool(shape["ok"]),
        path=str(shape["path"]),
        test=str(shape["test"]),
        found=str(shape["found"]),
        near=[str(text) for text in shape["near"]],
        problem=_text_or_none(shape["problem"]),
    )


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


# -- descriptions


def _describe_route(route: RouteExplanation) -> dict[str, JSON]:
    is_shown = route.rank < Rank.OTHER_TYPE
    is_listed = is_shown and not route.matches
    lines = [line for clause in route.clauses for line in _lines(clause, 0)] if is_listed else []
    inputs = _inputs(route) if is_shown and route.matches else []
    return {
        "rank": int(route.rank),
        "failed": len(route.failed),
        "clauses": len(route.clauses),
        "lines": [asdict(line) for line in lines[:MAX_LINES]],
        "line_count": len(lines),
        "inputs": [[name, text] for name, text in inputs[:MAX_LINES]],
        "input_count": len(inputs),
        "missing": [
            _describe_missing(missing_input) for missing_input in route.missing[:MAX_LINES]
        ],
    }


def _inputs(route: RouteExplanation) -> list[tuple[str | None, str]]:
    inputs = route.inputs
    if isinstance(inputs, dict) and inputs:
        return [(_cut(name), _write(value)) for name, value in inputs.items()]
    return [] if inputs is None else [(None, _write(inputs))]


def _describe_missing(missing_input: Any) -> str:
    near = (
        f"; near: {', '.join(str(near_miss.value) for near_miss in missing_input.near)}"
        if missing_input.near
        else ""
    )
    lead = f"{missing_input.input}: " if missing_input.input else ""
    return _cut(f"{lead}{missing_input.path} has no value{near}")


def _lines(clause: ClauseExplanation, level: int) -> Iterator[ClauseLine]:
    if clause.operator in GROUPS:
        yield ClauseLine(level, clause.ok, clause.operator)
        for inner in clause.clauses:
            yield from _lines(inner, level + 1)
        return
    if clause.operator == "when":
        yield ClauseLine(level, clause.ok, "when", _cut(str(clause.expected)))
        is_joined = clause.tree is None or _is_joined(clause.tree)
        for part in clause.parts:
            yield from _part_lines(part, level + 1, is_side=not is_joined)
        return
    path = "type" if clause.path == TYPE_PATH else str(clause.path)
    near = [_describe_near(near_miss) for near_miss in clause.near]
    yield ClauseLine(level, clause.ok, _cut(path), _test(clause), _write(clause.found), near)


def _part_lines(
    part: PartExplanation, level: int, *, is_side: bool = False
) -> Iterator[ClauseLine]:
    """Yield the line of a part and, below it, those of its own parts, without literals.

    `is_side`: a value stands beside another one, so it is neither true nor false.
    """
    condition = part.part
    if condition.is_literal:
        return
    ok = None if is_side and condition.operator is None else condition.ok
    near = [_describe_near(near_miss) for near_miss in part.near]
    yield ClauseLine(
        level, ok, _cut(condition.text), "", _write(condition.found), near, condition.problem
    )
    for inner in part.parts:
        yield from _part_lines(inner, level + 1, is_side=not _is_joined(part))


def _is_joined(part: PartExplanation) -> bool:
    """Return whether the parts of a part are conditions: those of `&&`, `||` and `!`, or itself."""
    return not part.parts or part.part.operator in ("&&", "||", "!")


def _describe_near(near_miss: NearMiss) -> str:
    note = f" ({near_miss.note})" if near_miss.note else ""
    text = str(near_miss.value) if near_miss.is_path else _write(near_miss.value)
    return _cut(f"near: {text}{note}")


def _test(clause: ClauseExplanation) -> str:
    if clause.operator == "exists":
        return "exists" if clause.expected else "does not exist"
    if isinstance(clause.expected, list):
        values = ", ".join(map(_write_plain, clause.expected))
        return _cut(f"{clause.operator} [{values}]")
    return _cut(f"{clause.operator} {_write_plain(clause.expected)}")


def _write(value: JSON) -> str:
    """Return a value as JSON; null as `nothing`, since a missing value counts as null."""
    if value is None:
        return "nothing"
    try:
        return _cut(orjson.dumps(value).decode())
    except TypeError:
        return "a value that JSON cannot hold"


def _write_plain(value: JSON) -> str:
    """Return an expected value as routes.yaml writes it: a plain word without quotes."""
    is_plain = isinstance(value, str) and value.replace("_", "").replace("-", "").isalpha()
    return str(value) if is_plain else _write(value)


def _cut(text: str) -> str:
    return text[:MAX_TEXT_CHARS]
