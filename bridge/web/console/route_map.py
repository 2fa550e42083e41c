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
        [_source_part(one) for one in sources],
        [_route_part(one) for one in routes],
        list(_flow_parts(routes, {one["name"]: one for one in platforms})),
    ]
    shown = [column[:MAX_ROWS] for column in columns]
    places = [
        {
            part.key: (index * COLUMN_WIDTH + MARGIN, row * ROW_HEIGHT + MARGIN)
            for row, part in enumerate(column)
        }
        for index, column in enumerate(shown)
    ]
    nodes = [
        MapNode(x=x, y=y, label=part.label, note=part.note, kind=part.kind, url=part.url)
        for column, place in zip(shown, places, strict=True)
        for part, (x, y) in ((one, place[one.key]) for one in column)
    ]
    rows = max((len(column) for column in shown), default=0)
    return RouteMap(
        width=2 * COLUMN_WIDTH + NODE_WIDTH + 2 * MARGIN,
        height=max(rows, 1) * ROW_HEIGHT,
        nodes=nodes,
        links=list(_draw_links(routes, {one["name"]: one for one in sources}, places)),
        left_out=sum(len(column) for column in columns) - len(nodes),
    )


def _find_route_kind(route: Mapping[str, Any]) -> str:
    """Return the kind of a route's state: its runs fail, its deliveries wait, or it is paused."""
    if route["failed_within_a_day"]:
        return "bad"
    if route["blocked"] or any(one["state"] != "live" for one in route["queue"]):
        return "warn"
    if route["queue"]:
        return "busy"
    return "off" if route["mode"] != "live" else "ok"


def _source_part(one: Mapping[str, Any]) -> _Part:
    rejected = f" · {one['rejected_today']} rejected" if one["rejected_today"] else ""
    kind = "off" if not one["configured"] or not one["today"] else "ok"
    return _Part(
        key=one["name"],
        label=_cut(one["name"], MAX_LABEL_CHARS),
        note=_cut(f"{pluralize(one['today'], 'event')} today{rejected}", MAX_NOTE_CHARS),
        kind="warn" if one["rejected_today"] else kind,
        url=make_link(f"/sources/{one['name']}"),
    )


def _route_part(one: Mapping[str, Any]) -> _Part:
    waiting = sum(each["queued"] for each in one["queue"])
    notes = [
        one["mode"] if one["mode"] not in (None, "live") else "",
        f"{waiting} queued" if waiting else "",
        f"{one['blocked']} blocked" if one["blocked"] else "",
        f"{one['failed_within_a_day']} failed" if one["failed_within_a_day"] else "",
    ]
    note = (
        " · ".join(filter(None, notes)) or f"{pluralize(one['ended_within_a_day'], 'run')} in 24 h"
    )
    return _Part(
        key=one["name"],
        label=_cut(one["name"], MAX_LABEL_CHARS),
        note=_cut(note, MAX_NOTE_CHARS),
        kind=_find_route_kind(one),
        url=make_link(f"/routes/{one['name']}"),
    )


def _flow_parts(
    routes: Sequence[Mapping[str, Any]], platforms: Mapping[str, Mapping[str, Any]]
) -> Iterable[_Part]:
    flows = {each["name"]: each for one in routes for each in one["flows"]}
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
    for one in routes:
        here = places[1].get(one["name"])
        if here is None:
            continue
        source = places[0].get(one["source"] or "")
        if source is not None:
            today = sources[one["source"]]["today"]
            yield _draw_link(source, here, today, "off")
        for flow in one["flows"]:
            if (there := places[2].get(flow["name"])) is not None:
                kind = _find_route_kind(one)
                yield _draw_link(
                    here, there, one["ended_within_a_day"], "off" if kind == "ok" else kind
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


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
