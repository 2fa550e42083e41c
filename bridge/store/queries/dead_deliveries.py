"""The newest dead deliveries, for groups by cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from sqlalchemy import func, select, text

from bridge.store.db.database import Database
from bridge.store.queries.events import IS_STUCK
from bridge.store.queries.filters import Filters, delivery_conditions
from bridge.store.queries.replaced_deliveries import IS_REPLACED
from bridge.store.tables.schema import delivery

MAX_DEAD_ROWS: Final = 5_000  # newest dead deliveries that are read

# the condition of `ix_delivery_stuck`, and the status that its first column has
_IS_DEAD: Final = (IS_STUCK, text("delivery.status = 'dead'"))


class DeadDelivery(NamedTuple):
    """The columns of a dead delivery that tell its cause, as they are stored.

    `is_replayed`: its event was planned again for its route. One answer reads thousands, so this is
    a plain tuple.
    """

    id: str
    event_id: str
    route: str
    reason: str | None
    dead_kind: str | None
    died_at: float
    is_replayed: bool


@dataclass(frozen=True, slots=True)
class DeadDeliveries:
    """The newest dead deliveries that match, newest first.

    `read_until`: when the oldest of the deliveries that were read was planned, if there are more;
    None if all were read.
    """

    rows: Sequence[DeadDelivery]
    read_until: float | None = None


def list_dead(
    database: Database, filters: Filters, max_rows: int = MAX_DEAD_ROWS
) -> DeadDeliveries:
    """Return those of the newest `max_rows` dead deliveries that match.

    The bound applies before the filters: however few match, no more rows are read.
    """
    newest = select(delivery.c.seq).where(*_IS_DEAD).order_by(delivery.c.seq.desc())
    other_filters = replace(filters, status=None)
    with database.read() as connection:
        oldest = connection.execute(
            select(func.min(newest.limit(max_rows).subquery().c.seq))
        ).scalar()
        if oldest is None:
            return DeadDeliveries(())
        has_more = connection.execute(newest.where(delivery.c.seq < oldest).limit(1)).first()
        planned_at = connection.execute(
            select(delivery.c.created_at).where(delivery.c.seq == oldest)
        ).scalar()
        matches = connection.execute(
            select(
                delivery.c.id,
                delivery.c.event_id,
                delivery.c.route,
                delivery.c.reason,
                delivery.c.dead_kind,
                func.coalesce(delivery.c.finished_at, delivery.c.created_at).label("died_at"),
                IS_REPLACED.label("is_replayed"),
            )
            .where(*_IS_DEAD, delivery.c.seq >= oldest, *delivery_conditions(other_filters))
            .order_by(delivery.c.seq.desc())
        )
        rows = [*map(DeadDelivery._make, matches.all())]
    return DeadDeliveries(rows, planned_at if has_more else None)
