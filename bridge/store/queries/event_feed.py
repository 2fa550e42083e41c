"""New events and changing deliveries, for a reader that polls."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import func, select, text

from bridge.core.model import Delivery, Event
from bridge.store.db.database import Database
from bridge.store.db.id_pages import split_ids
from bridge.store.queries.events import LISTED_DELIVERIES, LISTED_EVENTS
from bridge.store.queries.filters import Filters, delivery_conditions, event_conditions
from bridge.store.tables.rows import to_delivery, to_event
from bridge.store.tables.schema import delivery, event

PAGE_ROWS: Final = 200
# PostgreSQL numbers a row before its commit, so rows just before the newest may appear late
OVERLAP_ROWS: Final = 50


def newest_numbers(database: Database) -> tuple[int, int]:
    """Return the sequence numbers of the newest event and the newest delivery, 0 for none."""
    with database.read() as connection:
        numbers = [
            connection.execute(select(func.max(table.c.seq))).scalar() or 0
            for table in (event, delivery)
        ]
    return numbers[0], numbers[1]


def next_events(database: Database, after: int, filters: Filters) -> list[tuple[int, Event]]:
    """Return the next events after a sequence number, oldest first, each with its number.

    Some may have been returned before.
    """
    first = after if database.is_sqlite else after - OVERLAP_ROWS
    query = (
        LISTED_EVENTS.where(event.c.seq > first, *event_conditions(filters))
        .order_by(event.c.seq)
        .limit(PAGE_ROWS)
    )
    with database.read() as connection:
        return [(row.seq, to_event(row, database.sealer)) for row in connection.execute(query)]


def next_deliveries(
    database: Database, after: int, watched: Collection[str], filters: Filters
) -> list[tuple[int, Delivery]]:
    """Return deliveries after a sequence number, in flight or `watched`, each with its number.

    Where more than `PAGE_ROWS` come after it, none beyond those is returned: a reader goes on from
    the newest number, and must skip none. Filters on changing columns do not apply (see
    `Filters.fits`), so that a delivery is watched until it has changed.
    """
    first = after if database.is_sqlite else after - OVERLAP_ROWS
    ids = list(watched)
    kept = list(delivery_conditions(filters.lasting))
    new = (
        LISTED_DELIVERIES.where(delivery.c.seq > first, *kept)
        .order_by(delivery.c.seq)
        .limit(PAGE_ROWS)
    )
    others = [LISTED_DELIVERIES.where(text("delivery.slot"))]
    others += [LISTED_DELIVERIES.where(delivery.c.id.in_(page)) for page in split_ids(ids)]
    with database.read() as connection:
        rows = list(connection.execute(new))
        if len(rows) == PAGE_ROWS:
            kept.append(delivery.c.seq <= rows[-1].seq)
        for query in others:
            rows += connection.execute(query.where(*kept))
    return sorted({row.seq: to_delivery(row, database.sealer) for row in rows}.items())


def read_deliveries(database: Database, numbers: Collection[int]) -> list[tuple[int, Delivery]]:
    """Return the deliveries with these sequence numbers, each with its number."""
    query = LISTED_DELIVERIES.where(delivery.c.seq.in_(numbers))
    with database.read() as connection:
        return [(row.seq, to_delivery(row, database.sealer)) for row in connection.execute(query)]
