"""Count the submissions that forms refused, by hour and response code.

The table has at most one row for each form, hour and code; maintenance deletes rows after a week.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, func, select, text

from bridge.core.rate_limits import hour_of
from bridge.core.units import DAY
from bridge.store.db.database import Database
from bridge.store.tables.schema import refused_submission

Counts = Mapping[tuple[str, int, str], int]  # by source, hour and code

_ADD: Final = text(
    "INSERT INTO refused_submission (source, hour, code, count) "
    "VALUES (:source, :hour, :code, :count) "
    "ON CONFLICT (source, hour, code) DO UPDATE SET count = refused_submission.count + :count"
)


def add(database: Database, counts: Counts) -> None:
    """Add counts to the stored ones; all processes lock the rows in the same order."""
    rows = [
        {"source": source, "hour": hour, "code": code, "count": n}
        for (source, hour, code), n in sorted(counts.items())
    ]
    database.write(lambda connection: connection.execute(_ADD, rows))


def within_a_day(connection: Connection, now: float) -> dict[str, dict[str, int]]:
    """Return by source how many submissions were refused in 24 hours, the most frequent code first.

    The hour that began before these 24 hours counts whole.
    """
    columns = refused_submission.c
    count = func.sum(columns.count).label("n")
    query = select(columns.source, columns.code, count).where(columns.hour >= hour_of(now - DAY))
    counts: dict[str, dict[str, int]] = {}
    for row in connection.execute(
        query.group_by(columns.source, columns.code).order_by(count.desc(), columns.code)
    ):
        counts.setdefault(row.source, {})[row.code] = int(row.n)
    return counts
