"""The routes that two configurations have in common, so that they are planned once. Pure.

Parts are compared as JSON, in which `1` and `1.0` differ, with all that decides a delivery.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from bridge.routing.model import Config

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
    one = (old["config"].get("sources") or {}).get(source)
    other = (new["config"].get("sources") or {}).get(source)
    if one is None or _write([one, old["schemas"]]) != _write([other, new["schemas"]]):
        return SharedRoutes()
    routes = [_write_routes(each["config"]) for each in (old, new)]
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
