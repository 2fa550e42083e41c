"""Explain what each route does with an event: match it or not, with which inputs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON, Body, Event
from bridge.routing.explain.clause_tree import (
    TYPE_PATH,
    ClauseExplanation,
    explain_clauses,
    explain_types,
)
from bridge.routing.explain.near_paths import NearMiss, find_near_paths
from bridge.routing.expressions.paths import PathReading, Steps, write_path
from bridge.routing.matching.matcher import match_type
from bridge.routing.model import Context, Mode, Route
from bridge.routing.planner import build_context, plan
from bridge.routing.templates import Inputs


class Rank(IntEnum):
    """The order of routes in an explanation."""

    MATCHES = 0
    ONE_CLAUSE_AWAY = 1
    FAILS = 2
    OTHER_TYPE = 3
    OTHER_SOURCE = 4


@dataclass(frozen=True, slots=True)
class MissingPath:
    """A path without a value that an input reads; `near` are paths that may be meant."""

    input: str
    path: str
    near: tuple[NearMiss, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteExplanation:
    """What one route does with an event.

    `matches`: it plans a delivery. Then `inputs` would be sent to each of `flows`, unless `problem`
    says why the delivery would be dead; `missing` are paths without a value. A route that does not
    match has a `problem` only if its condition cannot be evaluated: that delivery is dead too.
    """

    route: str
    flows: tuple[str, ...]
    mode: Mode
    matches: bool
    is_other_source: bool = False
    clauses: tuple[ClauseExplanation, ...] = ()
    inputs: JSON = None
    missing: tuple[MissingPath, ...] = ()
    problem: str | None = None

    @property
    def failed(self) -> tuple[ClauseExplanation, ...]:
        """The outermost clauses that are false."""
        return tuple(clause for clause in self.clauses if not clause.ok)

    @property
    def rank(self) -> Rank:
        """The place of the route in the order of an explanation."""
        if self.is_other_source:
            return Rank.OTHER_SOURCE
        if self.matches or self.problem is not None:
            return Rank.MATCHES
        other_type = next((clause for clause in self.failed if clause.path == TYPE_PATH), None)
        if other_type is not None and not other_type.near:
            return Rank.OTHER_TYPE
        return Rank.ONE_CLAUSE_AWAY if len(self.failed) == 1 else Rank.FAILS


def explain_routes(
    event: Event, body: Body, routes: Iterable[Route], now: float
) -> list[RouteExplanation]:
    """Return an explanation for each route: those that match first, then the nearest."""
    roots = build_context(event, body, now)
    named: dict[str, list[Route]] = {}
    for route in routes:
        named.setdefault(route.name, []).append(route)
    explanations = [
        _explain_route(event, body, siblings, roots, now) for siblings in named.values()
    ]
    return sorted(explanations, key=lambda explanation: explanation.rank)


def _explain_route(
    event: Event, body: Body, siblings: Sequence[Route], roots: Context, now: float
) -> RouteExplanation:
    """Explain a route, which has a record for each of its flows."""
    route = siblings[0]
    flows = tuple(f"{sibling.flow.platform}/{sibling.flow.saved_item_id}" for sibling in siblings)
    if route.source != event.source:
        return RouteExplanation(
            route=route.name, flows=flows, mode=route.mode, matches=False, is_other_source=True
        )
    problem = None
    matches = match_type(route.types, event.type)
    try:
        matches = matches and (route.match is None or route.match(roots))
    except ExpressionError as error:
        matches = False
        problem = str(error)
    (delivery,) = plan(event, body, [route], now) if matches else (None,)
    return RouteExplanation(
        route=route.name,
        flows=flows,
        mode=route.mode,
        matches=matches,
        clauses=tuple(_clauses(route, event, roots)),
        inputs=None if delivery is None else delivery.inputs,
        missing=tuple(_missing(route, roots)) if matches else (),
        problem=problem if delivery is None else delivery.reason,
    )


def _clauses(route: Route, event: Event, roots: Context) -> Iterator[ClauseExplanation]:
    if route.types:
        yield explain_types(route.types, event.type)
    if route.match is not None:
        yield from explain_clauses(route.match.explain(roots), roots)


def _missing(route: Route, roots: Context) -> Iterator[MissingPath]:
    """Yield the paths without a value that inputs read, each once for an input."""
    if not isinstance(route.reshape, Inputs):
        return
    whole = route.reshape.whole
    templates = route.reshape.each.items() if whole is None else [("", whole)]
    for name, template in templates:
        readings: dict[Steps, PathReading] = {}
        for expression in template.expressions:
            readings |= {
                reading.path: reading for reading in expression.read([roots]) if reading.is_missing
            }
        for reading in readings.values():
            yield MissingPath(name, write_path(reading.path), _near(reading, roots))


def _near(reading: PathReading, roots: Context) -> tuple[NearMiss, ...]:
    if all(isinstance(step, str) or step >= 0 for step in reading.path) and "*" not in reading.path:
        return find_near_paths(tuple(map(str, reading.path)), roots, dotted=False)
    if reading.meant is None:
        return ()
    return (NearMiss(write_path(reading.meant), is_path=True),)
