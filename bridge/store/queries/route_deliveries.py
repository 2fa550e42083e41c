"""Whole deliveries of a few routes by event, newest event first, in short transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from bridge.core.errors import KeyMissing
from bridge.core.model import Delivery
from bridge.store.db.database import Database
from bridge.store.db.row_walk import PAGE_BODIES, read_chunks
from bridge.store.queries.events import event_walk
from bridge.store.queries.filters import Filters
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import delivery, event


@dataclass(frozen=True, slots=True)
class RoutedEvent:
    """An event with its deliveries through the routes, in the order of planning.

    `config_hash`: the configuration that first planned the event. `is_readable`: whether all of its
    deliveries can be decrypted here; others are left out.
    """

    id: str
    config_hash: str
    deliveries: Sequence[Delivery]
    is_readable: bool = True


def read_routed_events(
    database: Database, filters: Filters, routes: Sequence[str]
) -> Iterator[RoutedEvent]:
    """Yield the events that match, with their deliveries through these routes."""
    columns = select(event.c.seq, event.c.id, event.c.config_hash)
    for chunk in read_chunks(database, event_walk(database, filters, columns)):
        for at in range(0, len(chunk.rows), PAGE_BODIES):
            page = chunk.rows[at : at + PAGE_BODIES]
            found: dict[str, list[Delivery]] = {row.id: [] for row in page}
            unreadable: set[str] = set()
            query = (
                select(delivery)
                .where(delivery.c.event_id.in_(list(found)), delivery.c.route.in_(routes))
                .order_by(delivery.c.seq)
            )
            with database.read() as connection:
                for row in connection.execute(query):
                    one = _read(row, database)
                    if one is None:
                        unreadable.add(row.event_id)
                    else:
                        found[row.event_id].append(one)
            for row in page:
                yield RoutedEvent(row.id, row.config_hash, found[row.id], row.id not in unreadable)


def _read(row: Row[Any], database: Database) -> Delivery | None:
    """Return the delivery of a row, None where it cannot be decrypted."""
    try:
        found = to_delivery(row, database.sealer)
    except KeyMissing:
        return None
    return found if found.unsealable is None else None
