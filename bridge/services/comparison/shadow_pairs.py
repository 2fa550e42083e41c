"""A shadow route, and the route that it may replace."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bridge.core.errors import InvalidRequest
from bridge.core.units import DAY
from bridge.routing.model import Mode

if TYPE_CHECKING:
    from bridge.routing.model import Config

DEFAULT_DAYS: Final = 7


class ShadowResult(StrEnum):
    """How the deliveries of an event through the two routes compare."""

    SAME = "same"
    DIFFERS = "differs"  #: other inputs, another flow or another key
    ONLY_NEW = "only_new"  #: only the shadow route has one
    ONLY_OLD = "only_old"  #: only the other route has one
    DEAD = "dead"  #: the shadow route's planning failed
    SKIPPED = "skipped"  #: it cannot be decrypted


@dataclass(frozen=True, slots=True)
class ShadowPair:
    """The shadow route `new` with the route that it may replace.

    `mode`: of the shadow route in the present configuration, null if it is not there.
    """

    new: str
    live: str
    mode: Mode | None


def pair_routes(config: Config, new: str, live: str | None) -> ShadowPair:
    """Return a shadow route with `live`, or with the only route that it may replace.

    `InvalidRequest` where that is none, not one, or the same.
    """
    other = live or find_old_route(config, new)
    if other == new:
        raise InvalidRequest(f"the two routes to compare are the same route: {new}")
    modes = [route.mode for route in config.routes if route.name == new]
    return ShadowPair(new, other, modes[0] if modes else None)


def find_old_route(config: Config, new: str) -> str:
    """Return the route that a shadow route may replace: of the same source, and never a shadow.

    Of several, the one with the same flow. `InvalidRequest` where that is none or not one.
    """
    routes = [route for route in config.routes if route.name == new]
    if not routes:
        raise InvalidRequest(f"routes.yaml has no route {new!r}: name the other route too")
    others = [
        route
        for route in config.routes
        if route.source == routes[0].source and route.name != new and route.mode is not Mode.SHADOW
    ]
    flows = {route.flow.saved_item_id for route in routes}
    same_flow = dict.fromkeys(route.name for route in others if route.flow.saved_item_id in flows)
    names = list(same_flow) if len(same_flow) == 1 else list(dict.fromkeys(o.name for o in others))
    if len(names) != 1:
        mode = routes[0].mode
        if mode is not Mode.SHADOW:
            shadows = dict.fromkeys(
                route.name for route in config.routes if route.mode is Mode.SHADOW
            )
            raise InvalidRequest(
                f"the mode of the route {new!r} is {mode}, so it plans no shadow deliveries; routes"
                f" with `mode: shadow`: {', '.join(shadows) or 'none'}"
            )
        raise InvalidRequest(
            f"name the route to compare {new!r} with: flowbridge shadow {new} OLD; routes of the"
            f" same source: {', '.join(names) or 'none'}"
        )
    return names[0]


def default_since(now: float) -> float:
    """Return since when events are compared if no time is given."""
    return now - DEFAULT_DAYS * DAY
