"""What routes.yaml said when a delivery was planned, as the store remembers it under the configuration's hash."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from bridge.model import Delivery
    from bridge.store.database import Database

KEPT: Final = 8  # configurations that are held ready at once


class PlannedConfigs:
    """The configurations that deliveries were planned with. One that is not stored any more says nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read = lru_cache(maxsize=KEPT)(self._read_stored)

    def has_several_flows(self, one: Delivery) -> bool:
        """Tell whether the route of a delivery started several flows."""
        route = written_routes(self._read(one.config_hash)).get(one.route, {})
        return isinstance(route.get("flow"), list) and len(route["flow"]) > 1

    def _read_stored(self, config_hash: str) -> Mapping[str, Any]:
        from bridge.store import events

        canonical = events.kept_config(self._database, config_hash)
        return {} if canonical is None else json.loads(canonical)


def written_routes(canonical: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the routes of a canonical configuration as they are written, by name."""
    return {one["name"]: one for one in canonical.get("config", {}).get("routes") or ()}
