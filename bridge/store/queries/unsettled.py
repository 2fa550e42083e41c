"""Deliveries with an unknown outcome whose run flowbridge searches for, and the last evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy import Connection, text

from bridge.core.errors import DecryptionError
from bridge.core.model import JSON
from bridge.store.tables.encrypted import sealer_of

MAX_READ: Final = 1000  # newest deliveries read

# The index of `poll_at` has the runs in flight besides them, but not the many that wait for a
# person; the expressions keep SQLite from another index, and from the table in the order of `seq`.
_UNRESOLVED = text("""
SELECT id, platform, poll_at, evidence FROM delivery
WHERE poll_at IS NOT NULL AND status || '' = 'unknown'
    ORDER BY seq + 0 DESC LIMIT :most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnresolvedDelivery:
    """A delivery whose run flowbridge searches for, next at `look_at`.

    `evidence`: the result of the last search, null before the first.
    """

    id: str
    platform: str
    look_at: float
    evidence: JSON = None


def unresolved_deliveries(connection: Connection, most: int = MAX_READ) -> list[UnresolvedDelivery]:
    """Return the newest deliveries whose run flowbridge searches for, `most` at most."""
    sealer = sealer_of(connection)
    found = []
    for row in connection.execute(_UNRESOLVED, {"most": most}):
        evidence = None
        if row.evidence is not None:
            try:
                evidence = orjson.loads(sealer.open(row.evidence, "delivery", "evidence", row.id))
            except DecryptionError:
                evidence = None
        found.append(
            UnresolvedDelivery(
                id=row.id, platform=row.platform, look_at=row.poll_at, evidence=evidence
            )
        )
    return found
