"""Look at what is kept: lists with filters, newest first, and one event with all that became of it.

Lists are read in pages, each a short transaction of its own: a list of everything fills no memory and holds up no checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, Table, exists, func, literal, null, select, text

from bridge.errors import NotFound
from bridge.model import Attempt, Delivery, Event
from bridge.store import events as kept
from bridge.store.database import Database
from bridge.store.rows import to_delivery, to_event
from bridge.store.tables import attempt, delivery, event

PAGE = 200
NONE = "none"  # asked for as a status: events that no route has made a delivery of
OVERLAP = 50  # on PostgreSQL a number is taken before its commit, so those just before the newest may come late


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which events or deliveries; all that is given must hold. `type` may have `*`; times are of receipt or of planning.

    Of events, `route` and `status` ask for one delivery that has both.
    """

    source: str | None = None
    route: str | None = None
    status: str | None = None
    type: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One event with its deliveries and their attempts; `delivery_id` where a delivery or a run of it was asked for."""

    event: Event
    deliveries: Sequence[Delivery]
    attempts: dict[str, list[Attempt]]
    delivery_id: str | None = None


# Without bodies, headers, inputs and logs: a list shows none of them, and they are most of a row.
_EVENTS: Select[Any] = select(
    *(column for column in event.c if column.name not in ("headers", "query_string", "body")),
    literal("{}").label("headers"),
    literal("").label("query_string"),
    literal(b"").label("body"),
)
_DELIVERIES: Select[Any] = select(
    *(column for column in delivery.c if column.name not in ("inputs", "log")), null().label("inputs"), null().label("log")
)


def list_events(database: Database, filters: Filters, limit: int = 50) -> Iterator[tuple[Event, list[Delivery]]]:
    """Yield events, newest first, each with all its deliveries; `limit` 0 is no limit. They have no body and no headers."""
    for rows in _pages(database, _EVENTS.where(*_event_conditions(filters)), event, limit):
        found = kept.deliveries_of(database, [row.id for row in rows])
        for row in rows:
            yield to_event(row), found[row.id]


def list_deliveries(database: Database, filters: Filters, limit: int = 50) -> Iterator[Delivery]:
    """Yield deliveries, newest first; `limit` 0 is no limit. They have no inputs and no log."""
    for rows in _pages(database, _DELIVERIES.where(*_delivery_conditions(filters)), delivery, limit):
        yield from map(to_delivery, rows)


def event_ids(database: Database, filters: Filters, limit: int = 0) -> list[str]:
    """Return the ids of the newest `limit` events (0: of all), oldest first."""
    query = select(event.c.seq, event.c.id).where(*_event_conditions(filters))
    return _ids(database, query, event, limit)


def delivery_ids(database: Database, filters: Filters, limit: int = 0, also: ColumnElement[bool] | None = None) -> list[str]:
    """Return the ids of the newest `limit` deliveries (0: of all) for which `also` holds too, oldest first."""
    query = select(delivery.c.seq, delivery.c.id).where(*_delivery_conditions(filters))
    return _ids(database, query if also is None else query.where(also), delivery, limit)


def show(database: Database, text: str) -> Found:
    """Return the event that an event's, a delivery's or a run's id names; the beginning of an id will do where no other has it.

    `NotFound` where there is none, or where there are several.
    """
    event_id, delivery_id = find(database, text)
    deliveries = kept.deliveries_of(database, [event_id])[event_id]
    attempts: dict[str, list[Attempt]] = {one.id: [] for one in deliveries}
    query = select(attempt).where(attempt.c.delivery_id.in_(attempts)).order_by(attempt.c.delivery_id, attempt.c.number)
    with database.read() as connection:
        for row in connection.execute(query):
            attempts[row.delivery_id].append(Attempt(**row._mapping))
    return Found(kept.get(database, event_id), deliveries, attempts, delivery_id)


def find(database: Database, text: str) -> tuple[str, str | None]:
    """Return (event id, delivery id or None) of what `text` names; `NotFound` as in `show`."""
    likely = _SEARCHES.get(text[:4])
    for exact in (True, False):
        searches = [likely] if likely else list(_SEARCHES.values())
        found = list(chain.from_iterable(_named(database, search, text, exact) for search in searches))
        if len(found) == 1:
            return found[0].event_id, found[0].delivery_id
        if found:
            some = ", ".join(row.named for row in found[:4]) + (", …" if len(found) > 4 else "")
            raise NotFound(f"several ids begin with {text!r}: {some}")
    raise NotFound(f"no event, delivery or run has the id {text!r}")


def _search(column: Column[Any], event_id: Column[Any], delivery_id: Any) -> Select[Any]:
    return select(column.label("named"), event_id.label("event_id"), delivery_id.label("delivery_id"))


_SEARCHES = {
    "evt_": (event.c.id, _search(event.c.id, event.c.id, null())),
    "dlv_": (delivery.c.id, _search(delivery.c.id, delivery.c.event_id, delivery.c.id)),
    "": (delivery.c.run_id, _search(delivery.c.run_id, delivery.c.event_id, delivery.c.id)),
}


def _named(database: Database, search: tuple[Column[Any], Select[Any]], text: str, exact: bool) -> Sequence[Row[Any]]:
    column, query = search
    if not text:
        return []
    named = column == text if exact else func.substr(column, 1, len(text)) == text
    with database.read() as connection:
        return connection.execute(query.where(named).limit(5)).all()


# -- following


def newest(database: Database) -> tuple[int, int]:
    """Return the sequence numbers of the newest event and the newest delivery, 0 where there is none."""
    with database.read() as connection:
        numbers = [connection.execute(select(func.max(table.c.seq))).scalar() or 0 for table in (event, delivery)]
    return numbers[0], numbers[1]


def arrived(database: Database, after: int, filters: Filters) -> list[tuple[int, Event]]:
    """Return the next events after that sequence number with their own, oldest first; some may have been returned before."""
    first = after if database.is_sqlite else after - OVERLAP
    query = _EVENTS.where(event.c.seq > first, *_event_conditions(filters)).order_by(event.c.seq).limit(PAGE)
    with database.read() as connection:
        return [(row.seq, to_event(row)) for row in connection.execute(query)]


def moving(database: Database, after: int, watched: Collection[str], filters: Filters) -> list[tuple[int, Delivery]]:
    """Return the next deliveries after that sequence number, those in flight, and the `watched`, each with its number."""
    first = after if database.is_sqlite else after - OVERLAP
    ids = list(watched)
    new = _DELIVERIES.where(delivery.c.seq > first).order_by(delivery.c.seq).limit(PAGE)
    queries = [new, _DELIVERIES.where(text("delivery.slot"))]
    queries += [_DELIVERIES.where(delivery.c.id.in_(ids[at : at + 500])) for at in range(0, len(ids), 500)]
    found: dict[int, Delivery] = {}
    with database.read() as connection:
        for query in queries:
            for row in connection.execute(query.where(*_delivery_conditions(filters))):
                found[row.seq] = to_delivery(row)
    return sorted(found.items())


# -- the statements


def _pages(database: Database, query: Select[Any], table: Table, limit: int) -> Iterator[Sequence[Row[Any]]]:
    left, before = limit or None, None
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = query.order_by(table.c.seq.desc()).limit(size)
        with database.read() as connection:
            rows = connection.execute(page if before is None else page.where(table.c.seq < before)).all()
        if rows:
            yield rows
        if len(rows) < size:
            return
        before, left = rows[-1].seq, None if left is None else left - len(rows)


def _ids(database: Database, query: Select[Any], table: Table, limit: int) -> list[str]:
    return [row.id for rows in _pages(database, query, table, limit) for row in rows][::-1]


def _event_conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions = [*_one_source(filters), *_between(event.c.received_at, filters)]
    owned = [delivery.c.event_id == event.c.id]
    if filters.route is not None:
        owned.append(delivery.c.route == filters.route)
    if filters.status == NONE:
        conditions.append(~exists().where(*owned))
    elif filters.status is not None:
        owned.append(delivery.c.status == filters.status)
    if len(owned) > 1 and filters.status != NONE:
        conditions.append(exists().where(*owned))
    return conditions


def _delivery_conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions = _between(delivery.c.created_at, filters)
    if filters.route is not None:
        conditions.append(delivery.c.route == filters.route)
    if filters.status is not None:
        conditions.append(delivery.c.status == filters.status)
    if of_event := _one_source(filters):
        conditions.append(exists().where(event.c.id == delivery.c.event_id, *of_event))
    return conditions


def _one_source(filters: Filters) -> list[ColumnElement[bool]]:
    conditions = [] if filters.source is None else [event.c.source == filters.source]
    if filters.type is not None and "*" in filters.type:
        pattern = filters.type.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_").replace("*", "%")
        conditions.append(event.c.type.like(pattern, escape="\\"))
    elif filters.type is not None:
        conditions.append(event.c.type == filters.type)
    return conditions


def _between(column: Any, filters: Filters) -> list[ColumnElement[bool]]:
    since = [] if filters.since is None else [column >= filters.since]
    return since + ([] if filters.until is None else [column < filters.until])
