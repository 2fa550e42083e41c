"""The events of a replay, and the routes through which it plans them.

Its items are events, and deliveries: the event of a delivery is planned through the route of the
delivery alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, and_, select

from bridge.core.operations import DELIVERY_ID_PREFIX
from bridge.store.db.database import Database
from bridge.store.db.id_pages import split_ids
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


@dataclass(frozen=True, slots=True)
class ReplayItem:
    """The event of an item, and the routes through which it is planned; null for all routes."""

    event_id: str
    routes: EventRoutes | None = None

    def has_route(self, name: str) -> bool:
        """Return whether the event may be planned through a route."""
        return self.routes is None or name in self.routes.planned


def choose_routes(through: str | None, filters: Filters | None) -> ReplayRoutes:
    """Return the routes of a replay whose events were selected by these filters, null for ids.

    `through` is explicit unless it repeats the filter `route`.
    """
    is_explicit = through is not None and (filters is None or through != filters.route)
    if is_explicit or filters is None or filters.status == NONE or filters == filters.lasting:
        return ReplayRoutes(through=through)
    return ReplayRoutes(matching=filters)


def find_items(
    connection: Connection, routes: ReplayRoutes, ids: Sequence[str]
) -> Mapping[str, ReplayItem]:
    """Return the items with these ids, without deliveries that are not stored.

    `routes` are those of items that are events.
    """
    event_ids = [id_ for id_ in ids if not id_.startswith(DELIVERY_ID_PREFIX)]
    limits = _find_routes(connection, routes, event_ids)
    items = {id_: ReplayItem(id_, limits.get(id_)) for id_ in event_ids}
    if len(event_ids) == len(ids):
        return items
    columns = delivery.c.id, delivery.c.event_id, delivery.c.route
    rows = connection.execute(select(*columns).where(delivery.c.id.in_(ids)))
    return items | {
        row.id: ReplayItem(row.event_id, EventRoutes(frozenset({row.route}))) for row in rows
    }


def drop_repeated_items(database: Database, ids: Sequence[str]) -> list[str]:
    """Return the ids of items without those that others repeat: a delivery beside its event, or
    beside another delivery of the same event and route.
    """
    items: dict[str, ReplayItem] = {}
    for page in split_ids(ids):
        with database.read() as connection:
            items |= find_items(connection, ALL_ROUTES, page)
    first: dict[ReplayItem, str] = {}
    for id_ in ids:
        if id_ in items:
            first.setdefault(items[id_], id_)
    return [
        id_
        for item, id_ in first.items()
        if item.routes is None or ReplayItem(item.event_id) not in first
    ]


def _find_routes(
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
