"""Count the bytes that a source stores per day, on all nodes and across restarts.

The count is part of the transaction that stores them. A day begins at 00:00 UTC, and each source
has one row, for its newest day.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, text

from bridge.core.rate_limits import day_of
from bridge.ingest.ports import daily_bytes_full
from bridge.store.db.database import Database
from bridge.store.inbound import duplicates, events
from bridge.store.inbound.arrivals import AddedEvent, Arrival, Replan
from bridge.store.tables.schema import daily_bytes

_ADD_WITHIN_LIMIT = text(
    "INSERT INTO daily_bytes (source, day, bytes) VALUES (:source, :day, :bytes) ON CONFLICT"
    " (source) DO UPDATE SET bytes = CASE WHEN daily_bytes.day = :day THEN daily_bytes.bytes ELSE 0"
    " END + :bytes, day = :day WHERE CASE WHEN daily_bytes.day = :day THEN daily_bytes.bytes ELSE 0"
    " END + :bytes <= :most RETURNING bytes"
)


def add_bytes(connection: Connection, source: str, size: int, max_bytes: int, now: float) -> None:
    """Count bytes that a source stores.

    Raises `Refused` if the day's total would exceed `max_bytes`.
    """
    values = {"source": source, "day": day_of(now), "bytes": size, "most": max_bytes}
    if size > max_bytes or connection.execute(_ADD_WITHIN_LIMIT, values).first() is None:
        raise daily_bytes_full(now)


def stored_today(connection: Connection, now: float) -> dict[str, int]:
    """Return how many bytes each source stored today."""
    query = select(daily_bytes.c.source, daily_bytes.c.bytes).where(
        daily_bytes.c.day == day_of(now)
    )
    return {row.source: row.bytes for row in connection.execute(query)}


def add_all(
    database: Database, arrivals: Sequence[Arrival], replan: Replan, max_bytes: int, now: float
) -> list[AddedEvent]:
    """Store events of one source as `events.add_all` does, and count the bytes of new ones.

    Raises `Refused` and stores none of them if the limit would be exceeded.
    """

    def work(connection: Connection) -> list[AddedEvent]:
        together = [(arrival, replan) for arrival in arrivals]
        duplicates.lock_arrivals(connection, together)
        added = events.add_within(connection, together)
        new = [
            event
            for (event, _), outcome in zip(arrivals, added, strict=True)
            if outcome.event_id == event.id
        ]
        if new:
            add_bytes(
                connection, new[0].source, sum(len(event.body) for event in new), max_bytes, now
            )
        return added

    return database.write(work)
