"""Since when something is expected of a source: one that never sends anything has no event to count
from.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, insert, select

from bridge.store.tables.schema import expected


def since(connection: Connection) -> dict[str, float]:
    """Return by source when it was first seen that something is expected of it."""
    return {row.source: row.since for row in connection.execute(select(expected))}


def keep(connection: Connection, sources: Collection[str], now: float) -> int:
    """Keep it of these sources and no others, as it was of those that are known; return how many
    have changed.
    """
    known = since(connection).keys()
    new = sorted(set(sources) - known)
    gone = sorted(known - set(sources))
    if new:
        connection.execute(insert(expected), [{"source": name, "since": now} for name in new])
    if gone:
        connection.execute(delete(expected).where(expected.c.source.in_(gone)))
    return len(new) + len(gone)
