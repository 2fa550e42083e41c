"""Routes whose events start nothing of use, though nothing is wrong. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.core.status import IdleKind, IdleRoute
from bridge.core.text import pluralize
from bridge.routing.model import Config, Mode


def find_idle_routes(config: Config) -> list[IdleRoute]:
    """Return the routes that are paused, and those whose flow is a placeholder of an import.

    A route with several flows is one idle route for each placeholder.
    """
    idle_routes = {
        IdleRoute(route=route.name, kind=kind, flow=flow)
        for route in config.routes
        for kind, flow, is_idle in (
            (IdleKind.PAUSED, "", route.mode is Mode.PAUSED),
            (IdleKind.PLACEHOLDER, route.flow.name, route.flow.placeholder),
        )
        if is_idle
    }
    return sorted(idle_routes, key=lambda idle: (idle.kind, idle.route, idle.flow))


def describe_idle_routes(idle: Sequence[IdleRoute]) -> Iterator[str]:
    """Yield a sentence for all paused routes, and one for each placeholder."""
    paused = [route.route for route in idle if route.kind is IdleKind.PAUSED]
    if paused:
        verb = "is" if len(paused) == 1 else "are"
        yield (
            f"{pluralize(len(paused), 'route')} {verb} paused: {', '.join(paused)}. Deliveries wait"
            " until `mode: live`"
        )
    flows = [route.flow for route in idle if route.kind is IdleKind.PLACEHOLDER]
    yield from map(describe_placeholder, dict.fromkeys(flows))


def describe_placeholder(flow: str) -> str:
    """Return that a flow is a placeholder, and how to replace it."""
    return (
        f"the flow {flow} is still the placeholder of `flowbridge import`, whose runs do nothing:"
        " set its `platform` and `saved_item_id`"
    )
