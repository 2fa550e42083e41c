"""The answers of the admin API about the parts of a bridge: alerts, sources, routes, platforms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from bridge.core.model import JSON
from bridge.core.status import Overview, PlatformStatus, SourceStatus
from bridge.core.typos import suggest
from bridge.routing.model import Config, Platform
from bridge.services import alert_list
from bridge.services.bridge_checks.secret_use import SecretUse, list_secret_use
from bridge.services.config_views import mask_config, mask_path
from bridge.services.records.status_records import (
    PLATFORM,
    ROUTE,
    ROUTE_DETAILS,
    SOURCE,
    find_circuit_state,
)
from bridge.services.rejects import complete_config
from bridge.web.admin.context import AdminContext, AdminRequest, Answer
from bridge.web.admin.parameters import MAX_NAME_CHARS
from bridge.web.admin.problems import AdminProblem

Shape = dict[str, JSON]


def list_alerts(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the alerts that are raised or pending, as `alerts --json`."""
    found = alert_list.list_alerts(
        context.database, context.overview.get, with_contents=asked.with_contents
    )
    return found if asked.values["screen"] else {"items": found["items"]}


# -- sources


def list_sources(context: AdminContext, _asked: AdminRequest) -> Answer:
    """Return the sources of routes.yaml, and those that have events only."""
    describe = _source_view(context)
    return {"items": [describe(one) for one in context.overview.get().sources]}


def show_source(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one source."""
    known = {one.name: one for one in context.overview.get().sources}
    return _source_view(context)(known[_check_name(asked, "source", known)])


def _source_view(context: AdminContext) -> Callable[[SourceStatus], Shape]:
    """Return the function that describes sources. It reads the use of all secrets once."""
    config = complete_config(context.settings, context.database, context.config())
    secrets: dict[str, list[SecretUse]] = {}
    for use in list_secret_use(context.settings, config.sources.values(), least=1):
        secrets.setdefault(use.source, []).append(use)

    def describe(one: SourceStatus) -> Shape:
        known = config.sources.get(one.name)
        names = dict.fromkeys(route.name for route in config.routes_of(one.name))
        return SOURCE.write(
            one,
            provider=known.provider.name if known else None,
            path=f"/hooks/{one.name}" if known else None,
            secrets=secrets.get(one.name, ()),
            routes=names,
        )

    return describe


# -- routes


def list_routes(context: AdminContext, _asked: AdminRequest) -> Answer:
    """Return the routes of routes.yaml, and those that have waiting deliveries only."""
    config = context.config()
    now = context.overview.get()
    return {
        "items": [
            ROUTE.write(name, **_read_route(config, now, name))
            for name in _route_names(config, now)
        ]
    }


def show_route(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one route, as it is written in routes.yaml."""
    config = context.config()
    now = context.overview.get()
    name = _check_name(asked, "route", _route_names(config, now))
    definition = _find_definition(config, name)
    return ROUTE_DETAILS.write(name, definition=definition, **_read_route(config, now, name))


def _route_names(config: Config, now: Overview) -> list[str]:
    waiting = sorted({one.route for one in now.queue} | set(now.blocked))
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
    for one in routes if isinstance(routes, list) else ():
        if isinstance(one, dict) and one.get("name") == name:
            return one
    return None


# -- platforms


def list_platforms(context: AdminContext, _asked: AdminRequest) -> Answer:
    """Return the platforms of routes.yaml, and those that have deliveries only."""
    config = context.config()
    now = context.overview.get()
    return {"items": [_platform(config, one, now.at) for one in now.platforms]}


def show_platform(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one platform."""
    now = context.overview.get()
    known = {one.name: one for one in now.platforms}
    return _platform(context.config(), known[_check_name(asked, "platform", known)], now.at)


def _platform(config: Config, one: PlatformStatus, at: float) -> Shape:
    known = config.platforms.get(one.name)
    routes = dict.fromkeys(each.name for each in config.routes if each.flow.platform == one.name)
    return PLATFORM.write(
        one,
        circuit=find_circuit_state(one, at),
        configured=known is not None,
        type=known.type if known else None,
        base_url=_base_url(known) if known else None,
        routes=routes,
    )


def _base_url(platform: Platform) -> str | None:
    """Return the URL of a platform; that of the type http may have a secret in its path."""
    url = mask_path(platform.base_url) if platform.type == "http" else platform.base_url
    return url or None


def _check_name(asked: AdminRequest, what: str, known: Iterable[str] | Mapping[str, Any]) -> str:
    """Return the name in the path. Raises `AdminProblem` with the nearest one if it is unknown."""
    name = asked.ids["name"]
    names = list(known)
    if name not in names:
        near = suggest(name[:MAX_NAME_CHARS], names)
        hint = f"; {near.rstrip()}" if near else ""
        raise AdminProblem("not_found", f"there is no {what} {name[:100]!r}{hint}")
    return name
