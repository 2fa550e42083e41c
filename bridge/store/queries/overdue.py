"""Counts of overdue leases and polls, and of times too far ahead.

Each count walks an index and stops at a bound.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from bridge.core.status import OverdueWork
from bridge.store.clock_corrections import FUTURE_LIMITS, POLLED, SENDING
from bridge.store.db.database import timings_of
from bridge.store.tables.schema import delivery

MAX_COUNTED: Final = 10_000  # rows counted for each number
POLL_OVERDUE_SECONDS: Final = 60.0  # after which a missing poll of a run is overdue


def count_overdue(connection: Connection, now: float) -> OverdueWork:
    """Count expired leases that no worker took over, missing polls, and times too far ahead."""
    timings = timings_of(connection)
    return OverdueWork(
        leases=_count(
            connection, SENDING & (delivery.c.lease_until < now - timings.worker_missing_seconds)
        ),
        looks=_count(connection, POLLED & (delivery.c.poll_at < now - POLL_OVERDUE_SECONDS)),
        ahead=sum(_count(connection, limit.exceeded(now, timings)) for limit in FUTURE_LIMITS),
    )


def _count(connection: Connection, where: ColumnElement[Any]) -> int:
    some = select(literal_column("1")).where(where).limit(MAX_COUNTED).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar() or 0
