"""Whole deliveries of a few routes by event, newest event first, in short transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, select

from bridge.core.errors import KeyMissing
from bridge.core.model import Delivery
from bridge.store.db.database import Database
from bridge.store.db.row_walk import PAGE_BODIES, Budget, read_age, read_page
from bridge.store.queries.events import event_walk
from bridge.store.queries.filters import Filters
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import delivery, event

_COLUMNS: Final = select(event.c.seq, event.c.id, event.c.config_hash)


@dataclass(frozen=True, slots=True)
class RoutedEvent:
    """An event with its deliveries through the routes, in the order of planning.

    `config_hash`: the configuration that first planned the event. `is_readable`: whether all of its
    deliveries can be decrypted here; others are left out. `number`: a walk continues below it.
    """

    number: int
    id: str
    config_hash: str
    deliveries: Sequence[Delivery]
    is_readable: bool = True


@dataclass(frozen=True, slots=True)
class RoutedPage:
    """The events of a page, whose deliveries are read as they are asked for.

    `before`: the walk continues below this number; null at the end.
    """

    events: Iterator[RoutedEvent]
    before: int | None


def read_routed_page(
    database: Database,
    filters: Filters,
    routes: Sequence[str],
    limit: int,
    *,
    before: int | None = None,
    budget: Budget | None = None,
) -> RoutedPage:
    """Return at most `limit` events that match, below `before`, with their deliveries.

    `budget`: how far it looks for the events.
    """
    walk = event_walk(database, filters, _COLUMNS)
    page = read_page(database, walk, limit, before=before, budget=budget)
    return RoutedPage(_add_deliveries(database, page.rows, routes), page.before)


def find_received_at(database: Database, number: int) -> float | None:
    """Return when the oldest event came that a walk down to a number has looked at."""
    return read_age(database, event_walk(database, Filters(), _COLUMNS), number)


def _add_deliveries(
    database: Database, rows: Sequence[Row[Any]], routes: Sequence[str]
) -> Iterator[RoutedEvent]:
    for at in range(0, len(rows), PAGE_BODIES):
        part = rows[at : at + PAGE_BODIES]
        deliveries: dict[str, list[Delivery]] = {row.id: [] for row in part}
        unreadable: set[str] = set()
        query = (
            select(delivery)
            .where(delivery.c.event_id.in_(list(deliveries)), delivery.c.route.in_(routes))
            .order_by(delivery.c.seq)
        )
        with database.read() as connection:
            for row in connection.execute(query):
                decrypted = _read(row, database)
                if decrypted is None:
                    unreadable.add(row.event_id)
                else:
                    deliveries[row.event_id].append(decrypted)
        for row in part:
            is_readable = row.id not in unreadable
            yield RoutedEvent(row.seq, row.id, row.config_hash, deliveries[row.id], is_readable)


def _read(row: Row[Any], database: Database) -> Delivery | None:
    """Return the delivery of a row, None where it cannot be decrypted."""
    try:
        decrypted = to_delivery(row, database.sealer)
    except KeyMissing:
        return None
    return decrypted if decrypted.unsealable is None else None
