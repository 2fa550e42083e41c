"""`/routes`: the rules, what they did in a day, and the events that they missed by one clause."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from bridge.api import selection
from bridge.api.parameters import BEFORE
from bridge.api.resources import routes
from bridge.core.units import DAY
from bridge.services.explain.near_misses import find_near_misses
from bridge.services.lists import MAX_PAGE_ITEMS, PageRequest, list_states
from bridge.services.records.explanation_records import ROUTE_EXPLANATION
from bridge.store.queries.filters import Filters
from bridge.web.console.clause_lines import ClauseLine, list_clauses
from bridge.web.console.config_texts import ROUTE_KEYS, write_in_order, write_value
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.day_trends import read_day
from bridge.web.console.links import make_link
from bridge.web.console.subject_notes import list_notes
from bridge.web.console.wait_texts import describe_waits

SCHEMA_KEYS: Final = ("payload_schema", "inputs_schema")


def list_routes(console_request: ConsoleRequest) -> Screen:
    """Return all routes."""
    items = console_request.read(routes.list_routes)["items"]
    overview = console_request.context.overview.get()
    return Screen(
        template="routes.html",
        title="Routes",
        values={
            "routes": items,
            "notes": list_notes(overview, "route"),
            "counted_to": overview.counted_to,
        },
    )


def show_route(console_request: ConsoleRequest) -> Screen:
    """Return one route."""
    route = console_request.read(routes.show_route)
    name = route["name"]
    overview = console_request.context.overview.get()
    return Screen(
        template="route.html",
        title=name,
        values={
            "route": route,
            "text": write_in_order(route["definition"], ROUTE_KEYS)[0]
            if route["definition"]
            else None,
            "schemas": _list_schemas(console_request, route["definition"] or {}),
            "notes": list_notes(overview, "route").get(name, ()),
            "chart": read_day(console_request, "runs", "run ended", "runs ended", route=name),
            "waits": describe_waits(console_request, name),
            "counted_to": overview.counted_to,
            **_count_statuses(console_request, name),
        },
    )


def show_misses(console_request: ConsoleRequest) -> Screen | Response:
    """Return the newest events of a route's source that it missed by one clause."""
    request = console_request.ask((BEFORE,))
    name = console_request.read(routes.show_route)["name"]
    config = console_request.context.config()
    route = next((candidate for candidate in config.routes if candidate.name == name), None)
    if route is None:
        return redirect(make_link(f"/routes/{name}"), 303)  # it was removed
    near_misses = find_near_misses(
        console_request.context.database,
        console_request.context.settings,
        config,
        route,
        request=selection.read_page_request(console_request.context, "events", request),
    )
    path = f"/routes/{name}/misses"
    return Screen(
        template="route_misses.html",
        title=f"Why not {name}?",
        values={
            "route": route,
            "found": near_misses,
            "misses": [
                {
                    "event": miss.event,
                    "explanation": miss.explanation,
                    "lines": _failed_lines(ROUTE_EXPLANATION.write(miss.explanation)),
                }
                for miss in near_misses.misses
            ],
            "next_url": make_link(path, {"before": near_misses.next}) if near_misses.next else None,
            "newest_url": make_link(path) if "before" in console_request.given else None,
        },
    )


# -- parts


def _failed_lines(explanation: Mapping[str, Any]) -> Sequence[ClauseLine]:
    """Return the clauses that are false, with their parts."""
    return list_clauses([clause for clause in explanation["clauses"] if not clause["ok"]])


def _count_statuses(console_request: ConsoleRequest, name: str) -> dict[str, Any]:
    """Return how many deliveries of the last day have each status, of the newest of them."""
    filters = Filters(route=name, since=time.time() - DAY)
    states = list_states(console_request.context.database, filters)
    page = states.read_page(PageRequest(limit=MAX_PAGE_ITEMS))
    return {
        "statuses": Counter(page.items).most_common(),
        "counted": len(page.items),
        "counted_since": page.looked_until,
    }


def _list_schemas(
    console_request: ConsoleRequest, definition: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return the files of schemas that a route names, each with its text as it is loaded.

    A schema that stands in the route itself is a part of its definition.
    """
    stored = orjson.loads(console_request.context.config().canonical or b"{}").get("schemas", {})
    schemas = [definition.get(key) for key in SCHEMA_KEYS]
    names = dict.fromkeys(schema for schema in schemas if isinstance(schema, str))
    return [(name, write_value(stored[name])) for name in names if name in stored]
