"""Counts of selected deliveries and events, for the answer to a request for an operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, or_, select

from bridge.core.model import Delivery
from bridge.store.db.database import Database
from bridge.store.db.id_pages import split_ids
from bridge.store.queries.events import LISTED_DELIVERIES
from bridge.store.tables.rows import to_delivery
from bridge.store.tables.schema import delivery


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """How many deliveries there are by route and by status, and how many of them have started a
    flow before.
    """

    by_route: Mapping[str, int]
    by_status: Mapping[str, int]
    started: int


def count_deliveries(database: Database, ids: Sequence[str]) -> DeliveryCounts:
    """Count the deliveries with these ids."""
    went = or_(delivery.c.run_id.is_not(None), delivery.c.delivered_at.is_not(None))
    routes: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    started = 0
    columns = (delivery.c.route, delivery.c.status)
    for page in split_ids(ids):
        query = (
            select(
                *columns,
                func.count().label("number"),
                func.sum(case((went, 1), else_=0)).label("started"),
            )
            .where(delivery.c.id.in_(page))
            .group_by(*columns)
        )
        with database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            routes[row.route] += row.number
            statuses[row.status] += row.number
            started += row.started
    return DeliveryCounts(routes, statuses, started)


def read_deliveries(database: Database, ids: Sequence[str]) -> dict[str, Delivery]:
    """Return the deliveries with these ids that are still stored, by id, as a list shows them."""
    deliveries: dict[str, Delivery] = {}
    for page in split_ids(ids):
        query = LISTED_DELIVERIES.where(delivery.c.id.in_(page))
        with database.read() as connection:
            rows = connection.execute(query).all()
        deliveries |= {row.id: to_delivery(row, database.sealer) for row in rows}
    return deliveries
