"""Events that match filters, oldest first, for a stream of any length."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from sqlalchemy import select

from bridge.core.model import Event
from bridge.store.db.database import Database
from bridge.store.db.row_walk import PAGE_BODIES, read_chunks
from bridge.store.queries.events import event_walk
from bridge.store.queries.filters import Filters
from bridge.store.tables.rows import to_event
from bridge.store.tables.schema import event


def read_oldest_first(
    database: Database, filters: Filters, *, before: int | None, limit: int
) -> Iterator[Sequence[Event]]:
    """Yield the newest `limit` events (0: all) below the number `before`, oldest first, by chunks.

    The search begins at the newest event. Its chunks are empty, so that the reader can see that it
    goes on. Eight bytes are held in memory for each event that matches.
    """
    numbers = array("q")
    walk = event_walk(database, filters, select(event.c.seq, event.c.id))
    for chunk in read_chunks(database, walk, before=before, limit=limit):
        numbers.extend(row.seq for row in chunk.rows)
        yield ()
    for end in range(len(numbers), 0, -PAGE_BODIES):
        page = numbers[max(0, end - PAGE_BODIES) : end]
        query = select(event).where(event.c.seq.in_(page.tolist())).order_by(event.c.seq)
        with database.read() as connection:
            rows = connection.execute(query).all()
        yield [to_event(row, database.sealer) for row in rows]
