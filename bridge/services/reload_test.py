"""The test of a changed configuration on the newest events, before a running bridge loads it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bridge.core.errors import BridgeError
from bridge.core.text import pluralize
from bridge.core.units import HOUR
from bridge.services.comparison.traffic_comparison import compare_recorded, summarize

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.services.comparison.traffic_comparison import TrafficSummary
    from bridge.store.db.database import Database

MAX_TESTED_EVENTS: Final = 20_000  # the newest ones
MAX_NAMED_ROUTES: Final = 5


def find_losses(
    settings: Settings, database: Database, used_hash: str, changed: Config
) -> str | None:
    """Return how many deliveries the changed configuration would not send, None where none.

    The events of the last `FLOWBRIDGE_RELOAD_TEST` are compared. Raises `BridgeError` where the
    configuration in use, with the hash `used_hash`, cannot be loaded.
    """
    from bridge.config.loader import load_canonical
    from bridge.store.queries import configs
    from bridge.store.queries.filters import Filters

    if settings.reload_test is None:
        return None
    canonical = configs.find_config(database, used_hash)
    if canonical is None:
        raise BridgeError("the configuration in use is not stored, so there is nothing to compare")
    folder = settings.config.parent
    used = load_canonical(canonical, settings.environ, folder, strict_secrets=False)
    filters = Filters(since=time.time() - settings.reload_test)
    summary = summarize(
        compare_recorded(database, filters, lambda _: used, changed, MAX_TESTED_EVENTS)
    )
    return _describe(summary, settings.reload_test) if summary.starts_less else None


def _describe(summary: TrafficSummary, seconds: float) -> str:
    """Return the losses by route; values of events are left out, since the text is logged."""
    by_route = {
        name: route.starts_less for name, route in summary.routes.items() if route.starts_less
    }
    route_counts = [f"{name} {count}" for name, count in list(by_route.items())[:MAX_NAMED_ROUTES]]
    left = len(by_route) - len(route_counts)
    lost = pluralize(summary.starts_less, "delivery", "deliveries")
    return (
        f"{lost} of the last {seconds / HOUR:g} h would not be sent; by route:"
        f" {', '.join([*route_counts, *([f'{left} more routes'] if left else [])])}"
    )
