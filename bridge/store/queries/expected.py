"""The time since when flowbridge expects events of a source, for sources that have no event yet."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select

from bridge.store.tables.schema import expected


def since(connection: Connection) -> dict[str, float]:
    """Return by source the time since when flowbridge expects events of it."""
    return {row.source: row.since for row in connection.execute(select(expected))}


def keep(connection: Connection, sources: Collection[str], now: float) -> int:
    """Store the time for these sources only, unchanged for known ones; return how many changed."""
    stored_names = since(connection).keys()
    new = sorted(set(sources) - stored_names)
    gone = sorted(stored_names - set(sources))
    if new:
        connection.execute(insert(expected), [{"source": name, "since": now} for name in new])
    if gone:
        connection.execute(delete(expected).where(expected.c.source.in_(gone)))
    return len(new) + len(gone)
