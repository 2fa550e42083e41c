"""Lists and counts of events and deliveries with filters, newest first.

Lists are read in pages, each a short transaction of its own: a list of all rows fills no memory and
delays no checkpoint.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    Select,
    TextClause,
    func,
    literal,
    null,
    select,
    text,
)

from bridge.core.errors import SettingsError
from bridge.core.model import Delivery, Event, Status
from bridge.store.db.database import Database
from bridge.store.db.id_pages import split_ids
from bridge.store.db.row_walk import PAGE_BODIES, Conditions, RowWalk, count_rows, read_chunks
from bridge.store.encryption import SETTING
from bridge.store.inbound import events
from bridge.store.queries.filters import (
    Filters,
    body_conditions,
    delivery_conditions,
    event_conditions,
)
from bridge.store.queries.replay_routes import ALL_ROUTES, ReplayRoutes, find_items
from bridge.store.tables.rows import to_delivery, to_event
from bridge.store.tables.schema import delivery, event

# Conditions as the partial indexes have them, so that the databases use these.
IS_STUCK = text("delivery.status IN ('dead', 'unknown', 'blocked')")
IS_SPAM = text("event.spam IS NOT NULL")
STUCK_STATUSES = (Status.DEAD, Status.UNKNOWN, Status.BLOCKED)
RARE_STATUSES: dict[str, TextClause] = {
    status: text(f"delivery.status = '{status}'") for status in (Status.QUEUED, Status.SENDING)
}
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
#: What the state of a delivery consists of.
DELIVERY_STATES: Select[Any] = select(
    delivery.c.seq, delivery.c.status, delivery.c.dead_kind, delivery.c.run_state
)


def list_events(
    database: Database, filters: Filters, limit: int = 50
) -> Iterator[tuple[Event, list[Delivery]]]:
    """Yield events without body and headers, newest first, each with all its deliveries.

    `limit` 0 is no limit.
    """
    for chunk in read_chunks(database, event_walk(database, filters), limit=limit):
        yield from with_deliveries(database, chunk.rows)


def list_deliveries(
    database: Database, filters: Filters, limit: int = 50, also: ColumnElement[bool] | None = None
) -> Iterator[Delivery]:
    """Yield deliveries without inputs and log, newest first; `also` is another condition.

    `limit` 0 is no limit.
    """
    walk = delivery_walk(database, filters, also=also)
    for chunk in read_chunks(database, walk, limit=limit):
        yield from (to_delivery(row, database.sealer) for row in chunk.rows)


def with_deliveries(
    database: Database, rows: Sequence[Row[Any]]
) -> Iterator[tuple[Event, list[Delivery]]]:
    """Yield the events of these rows, each with all its deliveries, without inputs and log."""
    deliveries = events.deliveries_of(database, [row.id for row in rows], LISTED_DELIVERIES)
    for row in rows:
        yield to_event(row, database.sealer), deliveries[row.id]


def whole_events(database: Database, ids: Sequence[str]) -> Iterator[Event]:
    """Yield these events with body and headers, in the order of `ids`, without deleted ones."""
    for at in range(0, len(ids), PAGE_BODIES):
        page = ids[at : at + PAGE_BODIES]
        with database.read() as connection:
            events_by_id = {
                row.id: to_event(row, database.sealer)
                for row in connection.execute(select(event).where(event.c.id.in_(page)))
            }
        yield from (events_by_id[event_id] for event_id in page if event_id in events_by_id)


def read_listed_events(database: Database, ids: Sequence[str]) -> dict[str, Event]:
    """Return the events with these ids that are still stored, by id, without body and headers."""
    listed: dict[str, Event] = {}
    for page in split_ids(ids):
        with database.read() as connection:
            rows = connection.execute(LISTED_EVENTS.where(event.c.id.in_(page))).all()
        listed |= {row.id: to_event(row, database.sealer) for row in rows}
    return listed


def event_ids(
    database: Database,
    filters: Filters,
    limit: int = 0,
    check: Callable[[], object] = lambda: None,
) -> list[str]:
    """Return the ids of the newest `limit` events (0: of all), oldest first.

    `check` is called before each part of the search, and ends it by an exception.
    """
    walk = event_walk(database, filters, select(event.c.seq, event.c.id))
    return _ids(database, walk, limit, check)


def matches(database: Database, filters: Filters, event_id: str) -> bool:
    """Return whether an event matches."""
    walk = event_walk(database, filters, select(event.c.seq, event.c.id))
    narrowed = replace(walk, rare=[event.c.id == event_id], is_rare_in_order=False)
    return any(chunk.rows for chunk in read_chunks(database, narrowed))


def event_id_chunks(
    database: Database, filters: Filters, *, before: int | None, limit: int
) -> Iterator[list[str]]:
    """Yield the ids of events, newest first, as many at once as bodies are read.

    They begin below the number `before`; `limit` 0 is no limit.
    """
    walk = event_walk(database, filters, select(event.c.seq, event.c.id))
    small = replace(walk, page_rows=PAGE_BODIES)
    for chunk in read_chunks(database, small, before=before, limit=limit):
        yield [row.id for row in chunk.rows]


def delivery_ids(
    database: Database,
    filters: Filters,
    limit: int = 0,
    also: ColumnElement[bool] | None = None,
    check: Callable[[], object] = lambda: None,
) -> list[str]:
    """Return the ids of the newest `limit` deliveries (0: of all), oldest first.

    `also` is another condition, and `check` that of `event_ids`.
    """
    columns = select(delivery.c.seq, delivery.c.id, delivery.c.event_id)
    walk = delivery_walk(database, filters, columns, also)
    return _ids(database, walk, limit, check)


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
    bodiless = replace(filters, body=None, where=None)
    return count_rows(
        database,
        delivery_walk(database, bodiless, also=also)
        if of_deliveries
        else event_walk(database, bodiless),
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
    counts: dict[tuple[str, str], PlanCount] = {}
    columns = delivery.c.route, delivery.c.config_hash
    for page in split_ids(delivery_ids):
        query = select(
            *columns, func.count().label("n"), func.min(delivery.c.event_id).label("event_id")
        ).group_by(*columns)
        with database.read() as connection:
            for row in connection.execute(query.where(delivery.c.id.in_(page))):
                earlier = counts.get((row.route, row.config_hash), PlanCount(0, row.event_id))
                counts[row.route, row.config_hash] = PlanCount(
                    earlier.count + row.n, earlier.event_id
                )
    return counts


def count_started(database: Database, ids: Sequence[str], routes: ReplayRoutes = ALL_ROUTES) -> int:
    """Count the items of a replay whose event has a started or pending delivery of a route that
    they plan it through: the replay starts the flows of these events again.
    """
    count = 0
    for page in split_ids(ids):
        with database.read() as connection:
            items = find_items(connection, routes, page)
            query = select(delivery.c.event_id, delivery.c.route).where(
                delivery.c.event_id.in_({item.event_id for item in items.values()}),
                delivery.c.status.in_(STARTED_STATUSES),
            )
            rows = connection.execute(query.distinct()).all()
        started = defaultdict(list)
        for row in rows:
            started[row.event_id].append(row.route)
        count += sum(any(map(item.has_route, started[item.event_id])) for item in items.values())
    return count


# -- the statements


def event_walk(database: Database, filters: Filters, query: Select[Any] = LISTED_EVENTS) -> RowWalk:
    """Return the walk over the events that match, newest first."""
    by_source = [] if filters.source is None else [event.c.source == filters.source]
    by_spam = [IS_SPAM] if filters.spam else []
    return RowWalk(
        table=event,
        query=query,
        age=event.c.received_at,
        conditions=event_conditions(filters),
        rare=[*by_source, *by_spam],
        is_rare_in_order=bool(by_source and by_spam),
        late=_body_conditions(database, filters, of_deliveries=False),
        accept=_make_test(database, filters, event.c.id),
    )


def delivery_walk(
    database: Database,
    filters: Filters,
    query: Select[Any] = LISTED_DELIVERIES,
    also: ColumnElement[bool] | None = None,
) -> RowWalk:
    """Return the walk over the deliveries that match, newest first; `also` is another condition."""
    indexed: Conditions = ()
    if filters.status in STUCK_STATUSES:
        of_route = [] if filters.route is None else [delivery.c.route == filters.route]
        indexed = [IS_STUCK, delivery.c.status == filters.status, *of_route]
    return RowWalk(
        table=delivery,
        query=query,
        age=delivery.c.created_at,
        conditions=[*delivery_conditions(filters), *([] if also is None else [also])],
        indexed=indexed,
        rare=[RARE_STATUSES[filters.status]] if filters.status in RARE_STATUSES else (),
        late=_body_conditions(database, filters, of_deliveries=True),
        accept=_make_test(database, filters, delivery.c.event_id),
    )


def _make_test(
    database: Database, filters: Filters, event_id: Column[str]
) -> Callable[[Sequence[Row[Any]]], Sequence[Row[Any]]] | None:
    """Return the function that tests the events of rows; `event_id` is the column with their id."""
    where = filters.where
    if where is None:
        return None

    def accept(rows: Sequence[Row[Any]]) -> Sequence[Row[Any]]:
        ids = {row._mapping[event_id.name] for row in rows}
        matching = {
            candidate.id for candidate in whole_events(database, list(ids)) if where(candidate)
        }
        return [row for row in rows if row._mapping[event_id.name] in matching]

    return accept


def _body_conditions(
    database: Database, filters: Filters, *, of_deliveries: bool
) -> Sequence[ColumnElement[bool]]:
    if filters.body is not None and database.sealer.on:
        raise SettingsError(
            f"bodies are encrypted ({SETTING}), so flowbridge cannot search them: use other filters"
        )
    return body_conditions(filters, of_deliveries=of_deliveries, is_sqlite=database.is_sqlite)


def _ids(database: Database, walk: RowWalk, limit: int, check: Callable[[], object]) -> list[str]:
    ids: list[str] = []
    check()
    for chunk in read_chunks(database, walk, limit=limit):
        ids += [row.id for row in chunk.rows]
        check()
    return ids[::-1]
