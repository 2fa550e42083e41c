"""Deliveries with an unknown outcome whose run flowbridge searches for, and the last evidence."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Final

import orjson
from sqlalchemy import Connection, text

from bridge.core.errors import DecryptionError
from bridge.core.model import JSON
from bridge.delivery.reconcile import select_evidence
from bridge.store.tables.encrypted import sealer_of

MAX_READ: Final = 1000  # deliveries read, those whose run is looked for next

# The index of `poll_at` has the runs in flight besides them, but not the many that wait for a
# person; the expression keeps both databases from an index of these.
_UNRESOLVED = text("""
SELECT seq, id, platform, poll_at, attempts + throttled AS attempt, evidence FROM delivery
WHERE poll_at IS NOT NULL AND status || '' = 'unknown'
    ORDER BY poll_at LIMIT :most
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
    """Return deliveries whose run flowbridge searches for, the newest first.

    If there are more than `most`, these are the next ones that it searches for.
    """
    sealer = sealer_of(connection)
    rows = connection.execute(_UNRESOLVED, {"most": most}).all()
    found = []
    for row in sorted(rows, key=attrgetter("seq"), reverse=True):
        evidence = None
        if row.evidence is not None:
            try:
                evidence = orjson.loads(sealer.open(row.evidence, "delivery", "evidence", row.id))
            except DecryptionError:
                evidence = None
        found.append(
            UnresolvedDelivery(
                id=row.id,
                platform=row.platform,
                look_at=row.poll_at,
                evidence=select_evidence(evidence, row.attempt),
            )
        )
    return found
