"""Counts of what is overdue, or lies further ahead than it ever may: each walks an index, and stops
at a bound.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from bridge.core.status import Overdue
from bridge.store.clock_corrections import POLLED, SENDING, time_limits
from bridge.store.db.database import timings_of
from bridge.store.tables.schema import delivery

MAX_COUNTED: Final = 10_000  # rows that are counted of each
POLL_OVERDUE_SECONDS: Final = 60.0  # after which a look at a run that has not been made is overdue


def overdue(connection: Connection, now: float) -> Overdue:
    """Count calls whose lease has run out and that no worker took over, looks that were not made,
    and times that lie too far ahead.
    """
    timings = timings_of(connection)
    return Overdue(
        leases=_count(
            connection, SENDING & (delivery.c.lease_until < now - timings.worker_missing_seconds)
        ),
        looks=_count(connection, POLLED & (delivery.c.poll_at < now - POLL_OVERDUE_SECONDS)),
        ahead=sum(_count(connection, each.exceeds(now)) for each in time_limits(timings)),
    )


def _count(connection: Connection, where: ColumnElement[Any]) -> int:
    some = select(literal_column("1")).where(where).limit(MAX_COUNTED).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar() or 0
