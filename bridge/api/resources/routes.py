"""Routes, and the comparison of a shadow route with a live one."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

import orjson

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.api.parameters import BEFORE, LIMIT, SINCE, SOURCE, TIME_DOC, UNTIL
from bridge.api.problems import ApiProblem, parameter_error
from bridge.api.selection import find_name, read_page_request
from bridge.core.errors import InvalidRequest, UnknownName
from bridge.core.model import JSON
from bridge.core.status import Overview
from bridge.routing.model import Config
from bridge.services.comparison.shadow_comparison import ShadowComparison
from bridge.services.comparison.shadow_pairs import ShadowPair, default_since, pair_routes
from bridge.services.config_views import mask_config
from bridge.services.lists import write_list
from bridge.services.records.comparison_records import SHADOW_PAGE
from bridge.services.records.status_records import ROUTE, ROUTE_DETAILS
from bridge.store.queries.filters import Filters

LIVE_ROUTE: Final = replace(
    SOURCE,
    name="live",
    doc="The route to compare with; by default the only one that the shadow route may replace.",
)
SHADOW_SINCE: Final = replace(
    SINCE, doc=f"Only since this time: {TIME_DOC}; the last 7 days by default."
)
SHADOW_PARAMETERS: Final = (LIVE_ROUTE, SHADOW_SINCE, UNTIL, LIMIT, BEFORE)


def list_routes(context: ApiContext, _request: ApiRequest) -> Answer:
    """Return the routes of routes.yaml, and those that have waiting deliveries only."""
    config = context.config()
    now = context.overview.get()
    return write_list(
        ROUTE.write(name, **_read_route(config, now, name)) for name in _list_names(config, now)
    )


def show_route(context: ApiContext, request: ApiRequest) -> Answer:
    """Return one route, as it is written in routes.yaml."""
    config = context.config()
    now = context.overview.get()
    name = find_name(request, "route", _list_names(config, now))
    definition = _find_definition(config, name)
    return ROUTE_DETAILS.write(name, definition=definition, **_read_route(config, now, name))


def _list_names(config: Config, now: Overview) -> list[str]:
    waiting = sorted({queue.route for queue in now.queue} | set(now.blocked))
    return [*dict.fromkeys((*config.route_names, *waiting))]


def _read_route(config: Config, now: Overview, name: str) -> dict[str, Any]:
    """Return what the JSON of a route has beside its name."""
    routes = [route for route in config.routes if route.name == name]
    first = routes[0] if routes else None
    ended = now.runs_ended.get(name)
    return {
        "configured": first is not None,
        "source": first.source if first else None,
        "types": first.types if first else (),
        "mode": first.mode if first else None,
        "flows": [route.flow for route in routes],
        "queue": [queue for queue in now.queue if queue.route == name],
        "blocked": now.blocked.get(name, 0),
        "ended_within_a_day": ended.ended if ended else 0,
        "failed_within_a_day": ended.failed if ended else 0,
    }


def _find_definition(config: Config, name: str) -> JSON:
    document = orjson.loads(config.canonical or b"{}")
    routes = mask_config(document.get("config", {})).get("routes")
    for route in routes if isinstance(routes, list) else ():
        if isinstance(route, dict) and route.get("name") == name:
            return route
    return None


def compare_shadow(context: ApiContext, request: ApiRequest) -> Answer:
    """Return a page of the comparison of a shadow route with a live one, newest first."""
    pair = _pair_routes(context, request)
    since = request.values["since"]
    filters = Filters(
        since=default_since(time.time()) if since is None else since, until=request.values["until"]
    )
    page_request = read_page_request(context, f"shadow of {pair.new}", request)
    comparison = ShadowComparison(context.database, pair)
    page = comparison.read_page(filters, page_request.before, limit=page_request.limit)
    return SHADOW_PAGE.write(
        page,
        route=pair.new,
        live=pair.live,
        mode=pair.mode,
        next=page_request.make_cursor(page.before),
        with_contents=request.with_contents,
    )


def _pair_routes(context: ApiContext, request: ApiRequest) -> ShadowPair:
    """Return the routes to compare. Raises `ApiProblem` where one of them does not exist."""
    new = request.ids["name"]
    try:
        context.check_names(route=new)
    except UnknownName as error:
        raise ApiProblem("not_found", str(error)) from None
    try:
        pair = pair_routes(context.config(), new, request.values["live"])
        context.check_names(route=pair.live)
    except UnknownName as error:
        wrong = parameter_error("live", str(error), error.near, error.allowed)
        raise ApiProblem("invalid_parameter", str(error), errors=[wrong]) from None
    except InvalidRequest as error:
        wrong = parameter_error("live", str(error))
        raise ApiProblem("invalid_parameter", str(error), errors=[wrong]) from None
    return pair


ENDPOINTS: Final = (
    Endpoint(
        path="/routes",
        summary="The routes, with their queues and the runs of a day.",
        answer=list_routes,
        tool=ReadingTool("Routes", rest="show_route returns one route."),
        schema="RouteList",
    ),
    Endpoint(
        path="/routes/{name}",
        summary="One route, with its definition in routes.yaml.",
        answer=show_route,
        tool=ReadingTool("One route"),
        schema="RouteDetails",
    ),
    Endpoint(
        path="/routes/{name}/shadow",
        summary="The deliveries of a shadow route beside those of a live one, newest event first.",
        answer=compare_shadow,
        schema="ShadowedEventList",
        parameters=SHADOW_PARAMETERS,
        has_contents=True,
    ),
)
