"""The routes through which a replay plans its events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, and_, select

from bridge.store.queries.filters import NONE, Filters, state_conditions
from bridge.store.queries.replaced_deliveries import IS_REPLACED
from bridge.store.tables.schema import delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRoutes:
    """The routes of a replay: all that match an event, only `through`, or by its deliveries.

    `matching`: plan an event only through the routes of those of its deliveries that match these
    filters and were not replayed since. So no other route starts its flow again.
    """

    through: str | None = None
    matching: Filters | None = None


ALL_ROUTES: Final = ReplayRoutes()


@dataclass(frozen=True, slots=True)
class EventRoutes:
    """The routes through which an event is planned, and the others that it has deliveries of."""

    planned: frozenset[str]
    skipped: frozenset[str] = frozenset()


def choose_routes(through: str | None, filters: Filters | None) -> ReplayRoutes:
    """Return the routes of a replay whose events were selected by these filters, null for ids.

    `through` is explicit unless it repeats the filter `route`.
    """
    is_explicit = through is not None and (filters is None or through != filters.route)
    if is_explicit or filters is None or filters.status == NONE or filters == filters.lasting:
        return ReplayRoutes(through=through)
    return ReplayRoutes(matching=filters)


def find_routes(
    connection: Connection, routes: ReplayRoutes, event_ids: Sequence[str]
) -> Mapping[str, EventRoutes]:
    """Return the routes of each event; those without an entry are planned through all routes."""
    if routes.through is not None:
        return dict.fromkeys(event_ids, EventRoutes(frozenset({routes.through})))
    if routes.matching is None:
        return {}
    conditions = [*state_conditions(routes.matching), ~IS_REPLACED]
    if routes.matching.route is not None:
        conditions.append(delivery.c.route == routes.matching.route)
    rows = connection.execute(
        select(delivery.c.event_id, delivery.c.route, and_(*conditions).label("is_open"))
        .where(delivery.c.event_id.in_(event_ids))
        .distinct()
    ).all()
    stored, planned = defaultdict(set), defaultdict(set)
    for row in rows:
        stored[row.event_id].add(row.route)
        if row.is_open:
            planned[row.event_id].add(row.route)
    return {
        event_id: EventRoutes(frozenset(planned[event_id]), frozenset(names - planned[event_id]))
        for event_id, names in stored.items()
    }
