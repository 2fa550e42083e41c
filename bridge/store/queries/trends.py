"""Read the rows of a trend."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import exists, or_, select

from bridge.core.trends import read_series
from bridge.store.db.database import Database
from bridge.store.queue.heartbeats import is_alive
from bridge.store.tables.schema import trend, trend_node, worker


def read_rows(
    database: Database, key: str, since: int, until: int
) -> Iterator[tuple[int, dict[tuple[str, ...], float]]]:
    """Yield the minute and the series of each row of a trend, oldest first; of each node a row."""
    query = (
        select(trend.c.at, trend.c.value)
        .where(trend.c.key == key, trend.c.at >= since, trend.c.at < until)
        .order_by(trend.c.at, trend.c.node)
    )
    with database.read() as connection:
        for row in connection.execute(query):
            yield row.at, read_series(row.value)


def has_first_numbers_ahead(database: Database, last_minute: int, now: float) -> bool:
    """Return whether a worker runs, no number is stored and none could be.

    One could be if a node counts since before `last_minute`: it first stores what its counters are;
    how much they have grown, a minute later.
    """
    stored = exists(select(trend.c.at))
    counting = exists(select(trend_node.c.at).where(trend_node.c.at < last_minute))
    runs = exists(select(worker.c.id).where(is_alive(now, database.timings)))
    with database.read() as connection:
        return bool(connection.execute(select(runs & ~or_(stored, counting))).scalar())
