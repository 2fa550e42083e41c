"""Lists and counts of events and deliveries with filters, newest first.

Lists are read in pages, each a short transaction of its own: a list of all rows fills no memory and
delays no checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, func, literal, null, select, text

from bridge.core.errors import SettingsError
from bridge.core.model import Delivery, Event, Status
from bridge.store.db.database import Database
from bridge.store.encryption import SETTING
from bridge.store.inbound import events
from bridge.store.queries.filters import (
    Filters,
    body_conditions,
    delivery_conditions,
    event_conditions,
)
from bridge.store.tables.rows import to_delivery, to_event
from bridge.store.tables.schema import delivery, event

PAGE_ROWS = 200
PAGE_BODIES = 50  # bodies searched in one transaction
STARTED_STATUSES = (Status.QUEUED, Status.BLOCKED, Status.SENDING, Status.DELIVERED, Status.UNKNOWN)


# Without bodies, headers, inputs and logs: a list shows none, and they are most of a row.
LISTED_EVENTS: Select[Any] = select(
    *(column for column in event.c if column.name not in ("headers", "query_string", "body")),
    literal("{}").label("headers"),
    literal("").label("query_string"),
    literal(b"").label("body"),
)
LISTED_DELIVERIES: Select[Any] = select(
    *(column for column in delivery.c if column.name not in ("inputs", "log")),
    null().label("inputs"),
    null().label("log"),
)


_RECORDS_OF = {
    "source": text(
        "SELECT 1 FROM event WHERE source = :name UNION ALL SELECT 1 FROM reject WHERE source ="
        " :name LIMIT 1"
    ),
    "route": text("SELECT 1 FROM delivery WHERE route = :name LIMIT 1"),
}


def has_records(database: Database, what: str, name: str) -> bool:
    """Return whether the store has rows of the source or route (`what`) of that name."""
    with database.read() as connection:
        return connection.execute(_RECORDS_OF[what], {"name": name}).scalar() is not None


def list_events(
    database: Database, filters: Filters, limit: int = 50
) -> Iterator[tuple[Event, list[Delivery]]]:
    """Yield events without body and headers, newest first, each with all its deliveries.

    `limit` 0 is no limit.
    """
    for rows in _of_events(database, LISTED_EVENTS, filters, limit):
        found = events.deliveries_of(database, [row.id for row in rows])
        for row in rows:
            yield to_event(row, database.sealer), found[row.id]


def list_deliveries(
    database: Database, filters: Filters, limit: int = 50, also: ColumnElement[bool] | None = None
) -> Iterator[Delivery]:
    """Yield deliveries without inputs and log, newest first; `also` is another condition.

    `limit` 0 is no limit.
    """
    for rows in _of_deliveries(database, LISTED_DELIVERIES, filters, limit, also):
        yield from (to_delivery(row, database.sealer) for row in rows)


def whole_events(database: Database, ids: Sequence[str]) -> Iterator[Event]:
    """Yield these events with body and headers, in the order of `ids`, without deleted ones."""
    for at in range(0, len(ids), PAGE_BODIES):
        page = ids[at : at + PAGE_BODIES]
        with database.read() as connection:
            found = {
                row.id: to_event(row, database.sealer)
                for row in connection.execute(select(event).where(event.c.id.in_(page)))
            }
        yield from (found[each] for each in page if each in found)


def event_ids(database: Database, filters: Filters, limit: int = 0) -> list[str]:
    """Return the ids of the newest `limit` events (0: of all), oldest first."""
    return _ids(_of_events(database, select(event.c.seq, event.c.id), filters, limit))


def delivery_ids(
    database: Database, filters: Filters, limit: int = 0, also: ColumnElement[bool] | None = None
) -> list[str]:
    """Return the ids of the newest `limit` deliveries (0: of all), oldest first.

    `also` is another condition.
    """
    return _ids(
        _of_deliveries(database, select(delivery.c.seq, delivery.c.id), filters, limit, also)
    )


def count(
    database: Database,
    filters: Filters,
    *,
    of_deliveries: bool,
    also: ColumnElement[bool] | None = None,
) -> int:
    """Count the events or deliveries that match, without the filter on bodies.

    A search in bodies reads that many of them.
    """
    table = delivery if of_deliveries else event
    conditions = [
        *(delivery_conditions if of_deliveries else event_conditions)(filters),
        *([] if also is None else [also]),
    ]
    with database.read() as connection:
        return (
            connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar()
            or 0
        )


@dataclass(frozen=True, slots=True)
class PlanCount:
    """The number of deliveries of a route under one configuration, and the event of one of them."""

    count: int
    event_id: str


def count_plans(
    database: Database, delivery_ids: Sequence[str]
) -> dict[tuple[str, str], PlanCount]:
    """Count these deliveries by route and hash of the configuration."""
    found: dict[tuple[str, str], PlanCount] = {}
    columns = delivery.c.route, delivery.c.config_hash
    for at in range(0, len(delivery_ids), 500):
        query = select(
            *columns, func.count().label("n"), func.min(delivery.c.event_id).label("event_id")
        ).group_by(*columns)
        with database.read() as connection:
            for row in connection.execute(
                query.where(delivery.c.id.in_(delivery_ids[at : at + 500]))
            ):
                known = found.get((row.route, row.config_hash), PlanCount(0, row.event_id))
                found[row.route, row.config_hash] = PlanCount(known.count + row.n, known.event_id)
    return found


def count_started(database: Database, event_ids: Sequence[str], route: str | None = None) -> int:
    """Count the events with a started or pending delivery (of that route).

    A replay starts the flows of these events again.
    """
    found = 0
    for at in range(0, len(event_ids), 500):
        query = select(func.count(delivery.c.event_id.distinct())).where(
            delivery.c.event_id.in_(event_ids[at : at + 500])
        )
        query = query.where(
            delivery.c.status.in_(STARTED_STATUSES)
            if route is None
            else delivery.c.status.in_(STARTED_STATUSES) & (delivery.c.route == route)
        )
        with database.read() as connection:
            found += connection.execute(query).scalar() or 0
    return found


def latest_run(database: Database, one: Delivery) -> Delivery | None:
    """Return the delivery of the same flow that last started a run, null where there is none."""
    same = (delivery.c.platform == one.platform) & (delivery.c.saved_item_id == one.saved_item_id)
    query = (
        LISTED_DELIVERIES.where(text("delivery.run_id IS NOT NULL"), same)
        .order_by(delivery.c.seq.desc())
        .limit(1)
    )
    with database.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else to_delivery(row, database.sealer)


# -- the statements


def _of_events(
    database: Database, query: Select[Any], filters: Filters, limit: int
) -> Iterator[Sequence[Row[Any]]]:
    late = _of_bodies(database, filters, of_deliveries=False)
    return _pages(database, query.where(*event_conditions(filters)), event, limit, late)


def _of_deliveries(
    database: Database,
    query: Select[Any],
    filters: Filters,
    limit: int,
    also: ColumnElement[bool] | None,
) -> Iterator[Sequence[Row[Any]]]:
    late = _of_bodies(database, filters, of_deliveries=True)
    conditions = [*delivery_conditions(filters), *([] if also is None else [also])]
    return _pages(database, query.where(*conditions), delivery, limit, late)


def _of_bodies(
    database: Database, filters: Filters, *, of_deliveries: bool
) -> Sequence[ColumnElement[bool]]:
    if filters.body is not None and database.sealer.on:
        raise SettingsError(
            f"bodies are encrypted ({SETTING}), so flowbridge cannot search them: use other filters"
        )
    return body_conditions(filters, of_deliveries=of_deliveries, is_sqlite=database.is_sqlite)


def _pages(
    database: Database,
    query: Select[Any],
    table: Table,
    limit: int,
    late: Sequence[ColumnElement[bool]],
) -> Iterator[Sequence[Row[Any]]]:
    """Yield the newest rows page by page.

    The conditions `late` are expensive, and apply to one page of rows at a time.
    """
    left = limit or None
    before = None
    while left is None or left > 0:
        size = PAGE_BODIES if late else PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        page = query.order_by(table.c.seq.desc()).limit(size)
        page = page if before is None else page.where(table.c.seq < before)
        with database.read() as connection:
            if late:
                numbers = connection.execute(page.with_only_columns(table.c.seq)).scalars().all()
                picked = (
                    query.where(table.c.seq.in_(numbers), *late)
                    .order_by(table.c.seq.desc())
                    .limit(left)
                )
                rows = connection.execute(picked).all()
            else:
                rows = connection.execute(page).all()
                numbers = [row.seq for row in rows]
        if rows:
            yield rows
        if len(numbers) < size:
            return
        before = numbers[-1]
        left = None if left is None else left - len(rows)


def _ids(pages: Iterator[Sequence[Row[Any]]]) -> list[str]:
    return [row.id for rows in pages for row in rows][::-1]
