"""Deliveries whose run is in flight."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text

from bridge.core.model import Delivery
from bridge.store.db.database import Database
from bridge.store.queries.events import LISTED_DELIVERIES
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import delivery


def list_runs_in_flight(database: Database, platform: str | None, limit: int) -> Sequence[Delivery]:
    """Return the deliveries whose run holds a slot, newest first."""
    query = LISTED_DELIVERIES.where(text("delivery.slot"), delivery.c.run_id.isnot(None))
    if platform is not None:
        query = query.where(delivery.c.platform == platform)
    with database.read() as connection:
        rows = connection.execute(query.order_by(delivery.c.seq.desc()).limit(limit)).all()
    return [to_delivery(row, database.sealer) for row in rows]
