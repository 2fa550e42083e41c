"""Mark events as spam by hand, and cancel their waiting deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from bridge.core.model import Status
from bridge.ingest.forms.spam.layers import MARKED_BY_PERSON
from bridge.store.db.database import Database
from bridge.store.inbound import lock_order
from bridge.store.operations.actions import ItemResult
from bridge.store.queue import transitions
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import delivery, event

WAITING_STATUSES = (Status.QUEUED, Status.BLOCKED)


@dataclass(frozen=True, slots=True)
class SpamHandler:
    """Marks events as spam. A flow that has started goes on."""

    def prepare(self, _database: Database, ids: Sequence[str], _now: float, /) -> Sequence[str]:
        """Return the ids."""
        return ids

    def carry_out(
        self, connection: Connection, prepared: Sequence[str], now: float, /
    ) -> list[ItemResult]:
        """Mark each."""
        lock_order.lock(connection, events=prepared, moved=delivery.c.event_id.in_(prepared))
        query = select(event.c.id, event.c.spam, event.c.provider).where(event.c.id.in_(prepared))
        marks = {row.id: (row.spam, row.provider) for row in connection.execute(query)}
        return [self._one(connection, event_id, marks.get(event_id), now) for event_id in prepared]

    def _one(
        self, connection: Connection, id_: str, mark: tuple[str | None, str] | None, now: float
    ) -> ItemResult:
        if mark is None:
            return ItemResult(id=id_, problem="no such event")
        spam, provider = mark
        if provider != "form":
            return ItemResult(
                id=id_,
                problem=f"its provider is {provider}: only form submissions can be spam",
            )
        if spam is not None:
            return ItemResult(id=id_, problem=f"it is already marked as spam ({spam})")
        connection.execute(update(event).where(event.c.id == id_).values(spam=MARKED_BY_PERSON))
        waiting = (
            select(delivery.c.id)
            .where(delivery.c.event_id == id_, delivery.c.status.in_(WAITING_STATUSES))
            .order_by(delivery.c.seq)
        )
        ids = list(connection.execute(waiting).scalars())
        for delivery_id in ids:
            transitions.move(
                connection,
                delivery_id,
                Status.CANCELLED,
                now,
                reason="its event was marked as spam",
            )
        rows = connection.execute(
            select(delivery).where(delivery.c.event_id == id_).order_by(delivery.c.seq)
        )
        return ItemResult(
            id=id_, deliveries=[to_delivery(row, sealer_of(connection)) for row in rows]
        )
