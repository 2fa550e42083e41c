"""The map of the overview: sources, routes and flows, and how they are connected. Pure.

It is drawn as SVG with attributes only: coordinates are computed here, colours are classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any, Final

from bridge.core.text import pluralize
from bridge.web.console.links import make_link

NODE_WIDTH: Final = 264
NODE_HEIGHT: Final = 44
ROW_HEIGHT: Final = 56
COLUMN_WIDTH: Final = 388
MARGIN: Final = 4
MAX_ROWS: Final = 24  # of one column; more are in the table only
MAX_LABEL_CHARS: Final = 27
MAX_NOTE_CHARS: Final = 38
MAX_LINE_WIDTH: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MapNode:
    """A source, a route or a flow. `kind` is that of a status, for its colour."""

    x: int
    y: int
    label: str
    note: str
    kind: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLink:
    """A connection: the path of its line, its width and the kind of its colour."""

    path: str
    width: float
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteMap:
    """The map with its size. `left_out`: how many nodes did not fit."""

    width: int
    height: int
    nodes: Sequence[MapNode]
    links: Sequence[MapLink]
    left_out: int = 0
    node_width: int = NODE_WIDTH
    node_height: int = NODE_HEIGHT


@dataclass(frozen=True, slots=True)
class _Part:
    """A node before it has a place."""

    key: str
    label: str
    note: str
    kind: str
    url: str


def draw_map(
    sources: Sequence[Mapping[str, Any]],
    routes: Sequence[Mapping[str, Any]],
    platforms: Sequence[Mapping[str, Any]],
) -> RouteMap:
    """Return the map of the sources, routes and platforms in the JSON of the admin API."""
    columns = [
        [_source_part(source) for source in sources],
        [_route_part(route) for route in routes],
        list(_flow_parts(routes, {platform["name"]: platform for platform in platforms})),
    ]
    visible_columns = [column[:MAX_ROWS] for column in columns]
    places = [
        {
            part.key: (index * COLUMN_WIDTH + MARGIN, row * ROW_HEIGHT + MARGIN)
            for row, part in enumerate(column)
        }
        for index, column in enumerate(visible_columns)
    ]
    nodes = [
        MapNode(x=x, y=y, label=part.label, note=part.note, kind=part.kind, url=part.url)
        for column, place in zip(visible_columns, places, strict=True)
        for part, (x, y) in ((placed_part, place[placed_part.key]) for placed_part in column)
    ]
    rows = max((len(column) for column in visible_columns), default=0)
    return RouteMap(
        width=2 * COLUMN_WIDTH + NODE_WIDTH + 2 * MARGIN,
        height=max(rows, 1) * ROW_HEIGHT,
        nodes=nodes,
        links=list(_draw_links(routes, {source["name"]: source for source in sources}, places)),
        left_out=sum(len(column) for column in columns) - len(nodes),
    )


def _find_route_kind(route: Mapping[str, Any]) -> str:
    """Return the kind of a route's state: its runs fail, its deliveries wait, or it is paused."""
    if route["failed_within_a_day"]:
        return "bad"
    if route["blocked"] or any(queue["state"] != "live" for queue in route["queue"]):
        return "warn"
    if route["queue"]:
        return "busy"
    return "off" if route["mode"] != "live" else "ok"


def _source_part(source: Mapping[str, Any]) -> _Part:
    rejected = f" · {source['rejected_today']} rejected" if source["rejected_today"] else ""
    kind = "off" if not source["configured"] or not source["today"] else "ok"
    return _Part(
        key=source["name"],
        label=_cut(source["name"], MAX_LABEL_CHARS),
        note=_cut(f"{pluralize(source['today'], 'event')} today{rejected}", MAX_NOTE_CHARS),
        kind="warn" if source["rejected_today"] else kind,
        url=make_link(f"/sources/{source['name']}"),
    )


def _route_part(route: Mapping[str, Any]) -> _Part:
    waiting = sum(queue["queued"] for queue in route["queue"])
    notes = [
        route["mode"] if route["mode"] not in (None, "live") else "",
        f"{waiting} queued" if waiting else "",
        f"{route['blocked']} blocked" if route["blocked"] else "",
        f"{route['failed_within_a_day']} failed" if route["failed_within_a_day"] else "",
    ]
    note = (
        " · ".join(filter(None, notes))
        or f"{pluralize(route['ended_within_a_day'], 'run')} in 24 h"
    )
    return _Part(
        key=route["name"],
        label=_cut(route["name"], MAX_LABEL_CHARS),
        note=_cut(note, MAX_NOTE_CHARS),
        kind=_find_route_kind(route),
        url=make_link(f"/routes/{route['name']}"),
    )


def _flow_parts(
    routes: Sequence[Mapping[str, Any]], platforms: Mapping[str, Mapping[str, Any]]
) -> Iterable[_Part]:
    flows = {flow["name"]: flow for route in routes for flow in route["flows"]}
    for name, flow in flows.items():
        platform = platforms.get(flow["platform"])
        slots = ""
        kind = "off"
        if platform is not None:
            used = platform["calls"] + platform["runs"]
            slots = f": {used} of {platform['max_concurrent_runs'] or '?'} slots"
            kind = "bad" if platform["circuit"] != "closed" else "ok"
        yield _Part(
            key=name,
            label=_cut(name, MAX_LABEL_CHARS),
            note=_cut(f"{flow['platform']}{slots}", MAX_NOTE_CHARS),
            kind=kind,
            url=make_link(f"/platforms/{flow['platform']}"),
        )


def _draw_links(
    routes: Sequence[Mapping[str, Any]],
    sources: Mapping[str, Mapping[str, Any]],
    places: Sequence[Mapping[str, tuple[int, int]]],
) -> Iterable[MapLink]:
    for route in routes:
        here = places[1].get(route["name"])
        if here is None:
            continue
        source = places[0].get(route["source"] or "")
        if source is not None:
            today = sources[route["source"]]["today"]
            yield _draw_link(source, here, today, "off")
        for flow in route["flows"]:
            if (flow_place := places[2].get(flow["name"])) is not None:
                kind = _find_route_kind(route)
                yield _draw_link(
                    here, flow_place, route["ended_within_a_day"], "off" if kind == "ok" else kind
                )


def _draw_link(begin: tuple[int, int], end: tuple[int, int], count: int, kind: str) -> MapLink:
    x1 = begin[0] + NODE_WIDTH
    y1 = begin[1] + NODE_HEIGHT // 2
    x2 = end[0]
    y2 = end[1] + NODE_HEIGHT // 2
    middle = (x1 + x2) // 2
    width = min(1.5 + log2(count + 1) / 2, MAX_LINE_WIDTH)
    path = f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
    return MapLink(path=path, width=round(width, 1), kind=kind)


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"
