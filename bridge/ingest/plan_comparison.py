"""Compare the deliveries that two configurations plan for the same event. Pure.

Both plan at the time of receipt, so that a configuration compared with itself changes nothing.

Routes that both have in common are planned once. Their parts are compared as JSON, in which `1` and
`1.0` differ, with all that decides a delivery.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from bridge.core.model import Body, Event
from bridge.core.retention import is_content_deleted
from bridge.ingest.event_builder import read_event_type
from bridge.ingest.planned_deliveries import (
    EventComparison,
    Incomparable,
    PlanChange,
    PlannedDelivery,
    RouteChange,
    compare_plans,
)
from bridge.ingest.receive import asks_to_confirm, replan
from bridge.ingest.redaction import BODY_DROPPED
from bridge.ingest.source_bodies import read_body, rebuild_event_request
from bridge.routing.matching.matcher import match_type
from bridge.routing.matching.reasons import explain_mismatch, explain_type
from bridge.routing.model import Config, Context, Route, Source
from bridge.routing.planner import build_context, plan

MAX_COMPARED: Final = 32  # pairs of configurations, each with a source


@dataclass(frozen=True, slots=True)
class SharedRoutes:
    """The parts of a source that two configurations have in common.

    `source`: whether both read its events alike. `routes`: the names of its routes that both plan
    alike, as far as is certain.
    """

    source: bool = False
    routes: frozenset[str] = frozenset()


def find_shared_routes(before: Config, after: Config, source: str) -> SharedRoutes:
    """Return what two configurations have in common for the events of a source."""
    if before.source(source) is None or after.source(source) is None:
        return SharedRoutes()
    return _compare(before.canonical, after.canonical, source)


@lru_cache(maxsize=MAX_COMPARED)
def _compare(before: str, after: str, source: str) -> SharedRoutes:
    if not before or not after:
        return SharedRoutes()
    old = json.loads(before)
    new = json.loads(after)
    old_source = (old["config"].get("sources") or {}).get(source)
    other = (new["config"].get("sources") or {}).get(source)
    if old_source is None or _write([old_source, old["schemas"]]) != _write(
        [other, new["schemas"]]
    ):
        return SharedRoutes()
    routes = [_write_routes(document["config"]) for document in (old, new)]
    return SharedRoutes(
        True, frozenset(name for name, text in routes[0].items() if routes[1].get(name) == text)
    )


def _write_routes(config: Mapping[str, Any]) -> dict[str, str]:
    """Return each route with the definitions of its flows as text, by name."""
    flows = config.get("flows") or {}
    return {
        route["name"]: _write([route, *(flows.get(name) for name in _flow_names(route))])
        for route in config.get("routes") or ()
    }


def _flow_names(route: Mapping[str, Any]) -> list[str]:
    flow = route.get("flow")
    return flow if isinstance(flow, list) else [str(flow)]


def _write(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def compare_event(event: Event, before: Config, after: Config) -> EventComparison:
    """Plan an event with two configurations, and compare the deliveries by route."""
    obstacle = _find_obstacle(event, before, after)
    if obstacle is not None:
        return EventComparison(event.id, incomparable=obstacle)
    try:
        shared = find_shared_routes(before, after, event.source)
        read = _read_twice(event, before, after, is_shared=shared.source)
        comparison = compare_plans(event.id, *_plan_twice(read, before, after, shared.routes))
        if not comparison.changes:
            return comparison
        event_after, body = read[1]
        changes = [_explain(change, event_after, body, after) for change in comparison.changes]
        return replace(comparison, changes=changes)
    except Exception:  # as in `receive`: a bug must not stop the others
        return EventComparison(event.id, incomparable=Incomparable.FAULT)


def plan_event(event: Event, config: Config) -> list[PlannedDelivery]:
    """Return the deliveries that a configuration plans for an event, in the order of its routes."""
    return [
        PlannedDelivery.of(delivery) for delivery in replan(event, config, event.received_at, "")
    ]


# -- planning


def _find_obstacle(event: Event, before: Config, after: Config) -> Incomparable | None:
    if event.spam is not None:
        return Incomparable.SPAM
    if is_content_deleted(event):
        dropped = event.problem is not None and BODY_DROPPED in event.problem
        return Incomparable.REDACTED if dropped else Incomparable.EMPTIED
    sources = [config.source(event.source) for config in (before, after)]
    redacted = {_redaction_key(source) for source in sources if source is not None}
    return Incomparable.REDACTED if len(redacted) > 1 else None


def _redaction_key(source: Source) -> object:
    """Return the values that a source redacts, without the key of their fingerprints."""
    redact = source.redact
    return None if redact is None else (frozenset(redact.body), redact.headers, redact.query)


_Reading = tuple[Event, Body | None]


def _read_twice(
    event: Event, before: Config, after: Config, *, is_shared: bool
) -> tuple[_Reading, _Reading]:
    """Return the event and its body as each configuration reads them; parse once if possible.

    `is_shared`: both have the same source.
    """
    first = before.source(event.source)
    other = after.source(event.source)
    body = _read(event, first)
    same_body = is_shared or (
        first is not None and other is not None and _reads_alike(first, other)
    )
    other_body = body if same_body else _read(event, other)
    if first is None or other is None or first.event_type == other.event_type:
        return (event, body), (event, other_body)
    return (_retype(event, body, first), body), (_retype(event, other_body, other), other_body)


def _reads_alike(first: Source, other: Source) -> bool:
    """Return whether two sources parse a body in the same way, as far as is certain."""
    keys = [(source.provider, source.max_depth, source.is_public) for source in (first, other)]
    return first.form is None and other.form is None and keys[0] == keys[1]


def _read(event: Event, source: Source | None) -> Body | None:
    """Return the parsed body, None where the source plans nothing of the event."""
    if source is None or asks_to_confirm(source, event):
        return None
    return read_body(source, event.headers.get("content-type", ""), event.body, event.files)


def _retype(event: Event, body: Body | None, source: Source) -> Event:
    """Return the event with its type as the source reads it."""
    if body is None:
        return event
    request = rebuild_event_request(event)
    return replace(event, type=read_event_type(source, request, body.value))


def _plan_twice(
    read: tuple[_Reading, _Reading], before: Config, after: Config, shared: Collection[str]
) -> tuple[list[PlannedDelivery], list[PlannedDelivery]]:
    """Return the deliveries of both configurations. The `shared` routes are planned once."""
    (event, body), (other, other_body) = read
    if event is not other or body is not other_body:
        return (
            _plan(event, body, before.routes_of(event.source)),
            _plan(other, other_body, after.routes_of(event.source)),
        )
    if body is None or body.problem is not None:
        return [], []
    roots = build_context(event, body, event.received_at)
    first = _plan(event, body, before.routes_of(event.source), roots)
    routes = after.routes_of(event.source)
    others = [route for route in routes if route.name not in shared]
    second = _plan(event, body, others, roots) if others else []
    order = {route.name: place for place, route in enumerate(routes)}
    deliveries = [*(delivery for delivery in first if delivery.route in shared), *second]
    return first, sorted(deliveries, key=lambda delivery: order[delivery.route])


def _plan(
    event: Event, body: Body | None, routes: Sequence[Route], roots: Context | None = None
) -> list[PlannedDelivery]:
    if body is None or body.problem is not None:
        return []
    planned = plan(event, body, routes, event.received_at, roots=roots)
    return [PlannedDelivery.of(delivery) for delivery in planned]


def _explain(change: RouteChange, event: Event, body: Body | None, config: Config) -> RouteChange:
    """Add why the other configuration loses a delivery."""
    if change.change is not PlanChange.LOST or change.reason is not None:
        return change
    return replace(change, reason=_find_reason(change.route, event, body, config))


def _find_reason(name: str, event: Event, body: Body | None, config: Config) -> str:
    source = config.source(event.source)
    if source is None:
        return f"there is no source {event.source}"
    if body is None or body.problem is not None:
        return "the body asks to confirm a subscription" if body is None else str(body.problem)
    routes = [candidate for candidate in config.routes if candidate.name == name]
    if not routes:
        return f"there is no route {name}"
    route = routes[0]
    if route.source != event.source:
        return f"route {name} is for the source {route.source}"
    if not match_type(route.types, event.type):
        return explain_type(route.types, event.type)
    roots = build_context(event, body, event.received_at)
    reasons = explain_mismatch(route.match, roots) if route.match is not None else []
    return reasons[0] if reasons else "the route starts fewer flows"
