"""The stored configurations that deliveries were planned with, compared with the current one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import ConfigError
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.model import Delivery
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

MAX_PLANNED_CONFIGS: Final = 8  # that are cached
#: The keys of a route that decide the content and the target of a delivery.
PLAN_KEYS: Final = ("inputs", "flow", "payload_schema", "inputs_schema", "reserved", "strict")
SCHEMA_KEYS: Final = ("payload_schema", "inputs_schema")

Plan = tuple[str, str]  # the name of a route, and the hash of its configuration


class PlannedConfigs:
    """The configurations that deliveries were planned with. One that was deleted is empty."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read = lru_cache(maxsize=MAX_PLANNED_CONFIGS)(self._read_stored)

    def has_several_flows(self, delivery: Delivery) -> bool:
        """Return whether the route of a delivery started several flows."""
        route = _routes(self._read(delivery.config_hash)).get(delivery.route, {})
        return isinstance(route.get("flow"), list) and len(route["flow"]) > 1

    def has_route(self, config_hash: str, name: str) -> bool:
        """Return whether a configuration has a route of this name."""
        return name in _routes(self._read(config_hash))

    def changed(self, plans: Iterable[Plan], present: Config) -> set[Plan]:
        """Return the plans whose route still exists, and now makes different deliveries."""
        now = json.loads(present.canonical)
        others = {(route, hash_) for route, hash_ in plans if hash_ != present.hash}
        pairs = {
            (route, hash_): (_plan_of(self._read(hash_), route), _plan_of(now, route))
            for route, hash_ in others
        }
        return {
            plan for plan, (before, after) in pairs.items() if before and after and before != after
        }

    def _read_stored(self, config_hash: str) -> Mapping[str, Any]:
        from bridge.store.queries import configs

        canonical = configs.find_config(self._database, config_hash)
        return {} if canonical is None else json.loads(canonical)


def _routes(canonical: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the routes of a canonical configuration as they are written, by name."""
    return {route["name"]: route for route in canonical.get("config", {}).get("routes") or ()}


def _plan_of(canonical: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return the parts of a configuration that decide the deliveries of a route, None without it.

    These are its own keys, the flows that it names, and its schemas.
    """
    route = _routes(canonical).get(name)
    if route is None:
        return None
    flow = route.get("flow")
    named = canonical["config"].get("flows") or {}
    return {
        **{key: route.get(key) for key in PLAN_KEYS},
        "flows": {
            flow_name: named.get(flow_name)
            for flow_name in (flow if isinstance(flow, list) else [flow])
        },
        "schemas": canonical.get("schemas") if any(key in route for key in SCHEMA_KEYS) else None,
    }


def find_changed(
    planned: PlannedConfigs, present: Config, deliveries: Sequence[Delivery]
) -> frozenset[str]:
    """Return the ids of the deliveries whose route now makes different ones."""
    plans = planned.changed(
        ((delivery.route, delivery.config_hash) for delivery in deliveries), present
    )
    return frozenset(
        delivery.id for delivery in deliveries if (delivery.route, delivery.config_hash) in plans
    )


@dataclass(frozen=True, slots=True)
class OlderInputs:
    """Deliveries with inputs of an older configuration. `event_id`: the event of one of them."""

    count: int
    routes: Sequence[str]
    event_id: str


def find_older_inputs(
    database: Database, settings: Settings, ids: Sequence[str]
) -> OlderInputs | None:
    """Return which of the deliveries `ids` have inputs that an older configuration made.

    None where there are none, or routes.yaml cannot be used.
    """
    from bridge.store.queries import events as event_queries

    with suppress(ConfigError):
        present = load_present(settings)
        plans = event_queries.count_plans(database, ids)
        older = {plan: plans[plan] for plan in PlannedConfigs(database).changed(plans, present)}
        if older:
            return OlderInputs(
                count=sum(plan_count.count for plan_count in older.values()),
                routes=sorted({route for route, _ in older}),
                event_id=next(iter(older.values())).event_id,
            )
    return None
