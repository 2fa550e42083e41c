"""Keep events with their deliveries, each once; find them again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, func, insert, select, update

from bridge.errors import NotFound
from bridge.model import Delivery, Event, Status
from bridge.store import tables
from bridge.store.database import Database
from bridge.store.rows import delivery_row, event_row, to_delivery, to_event

SAME_BODY = 7 * 86400.0  # seconds in which the same body under another id is pointed out
ENDED_UNSTARTED = (Status.DEAD, Status.CANCELLED, Status.SHADOW)

Replan = Callable[[Event, str], Sequence[Delivery]]


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a request: the event it is (new or known), and the deliveries that are new."""

    event_id: str
    deliveries: tuple[Delivery, ...]
    duplicate: bool = False


Arrival = tuple[Event, Sequence[Delivery]]


def add(database: Database, event: Event, deliveries: Sequence[Delivery], replan: Replan) -> Added:
    """Keep an event and its deliveries in one durable transaction.

    An event whose (source, provider_id) is known is a duplicate: it is counted. If nothing of the known one ever started and
    nothing of it waits to, it is planned again by `replan(known event, nonce)` in the same transaction, and those deliveries are kept.
    """
    return add_all(database, [(event, deliveries)], replan)[0]


def add_all(database: Database, arrivals: Sequence[Arrival], replan: Replan) -> list[Added]:
    """Keep several events with their deliveries in one durable transaction, as `add` does each."""
    new = database.append(ARRIVALS, arrivals)
    known = [event for (event, _), is_new in zip(arrivals, new, strict=True) if not is_new]
    repeated = database.write(lambda connection: [_add_duplicate(connection, event, replan) for event in known]) if known else []
    again = iter(repeated)
    return [Added(event.id, tuple(planned)) if is_new else next(again) for (event, planned), is_new in zip(arrivals, new, strict=True)]


class _Arrivals:
    """Events with their deliveries, as rows of the view `arrival`: its trigger puts each where it belongs, unless the event is known."""

    def statement(self, items: Sequence[Arrival]) -> tuple[str, list[Any]]:
        """Return the insert of `items`."""
        values = [value for event, deliveries in items for value in (*_columns(event), _deliveries(deliveries))]
        return _insert_arrivals(len(items)), values

    def rows(self, item: Arrival) -> int:
        """Return the rows of an event and its deliveries."""
        return 1 + len(item[1])

    def added(self, raw: sqlite3.Connection, items: Sequence[Arrival]) -> list[bool]:
        """Return which events are new."""
        ids = [event.id for event, _ in items]
        kept = {row[0] for row in raw.execute(f"SELECT id FROM event WHERE id IN ({', '.join('?' * len(ids))})", ids)}  # noqa: S608
        return [event_id in kept for event_id in ids]

    def insert(self, connection: Connection, item: Arrival) -> bool:
        """Insert one event and its deliveries on PostgreSQL."""
        event, deliveries = item
        if connection.execute(_insert_event(), dict(zip(ARRIVAL, _columns(event), strict=True))).first() is None:
            return False
        if deliveries:
            connection.execute(insert(tables.delivery), [delivery_row(delivery) for delivery in deliveries])
        return True


ARRIVALS = _Arrivals()
ARRIVAL = ("id", "source", "provider", "type", "provider_id", "received_at", "config_hash", "problem", "body_sha256", "headers",
           "query_string", "body", "since")  # fmt: skip


def _columns(event: Event) -> tuple[Any, ...]:
    """The values of the columns `ARRIVAL`; `since`: how old an event with the same body may be to be pointed out."""
    return (*event_row(event).values(), event.received_at - SAME_BODY)


def _deliveries(deliveries: Sequence[Delivery]) -> str:
    """The rows of deliveries as one JSON text: lists, in the order of the columns in the trigger."""
    return orjson.dumps([list(delivery_row(delivery).values()) for delivery in deliveries]).decode()


@lru_cache(maxsize=128)
def _insert_arrivals(rows: int) -> str:
    row = f"({', '.join('?' * (len(ARRIVAL) + 1))})"
    return f"INSERT INTO arrival ({', '.join(ARRIVAL)}, deliveries) VALUES {', '.join([row] * rows)}"  # noqa: S608


@cache
def _insert_event() -> Any:
    from sqlalchemy.dialects import postgresql  # megabytes, for those who use it

    table, earlier, known = tables.event, tables.event.alias(), tables.event.alias()
    same = earlier.c.source == bindparam("source"), earlier.c.body_sha256 == bindparam("body_sha256")
    newest = select(func.max(earlier.c.seq)).where(*same).scalar_subquery()
    same_body = select(known.c.id).where(known.c.seq == newest, known.c.received_at > bindparam("since")).scalar_subquery()
    values: dict[str, Any] = {name: bindparam(name) for name in ARRIVAL if name != "since"} | {"same_body_as": same_body}
    statement = postgresql.insert(table).values(values)
    statement = statement.on_conflict_do_nothing(index_elements=["source", "provider_id"], index_where=table.c.provider_id.isnot(None))
    return statement.returning(table.c.seq)


def _add_duplicate(connection: Connection, event: Event, replan: Replan) -> Added:
    table = tables.event
    same = (table.c.source == event.source) & (table.c.provider_id == event.provider_id)
    connection.execute(update(table).where(same).values(duplicates=table.c.duplicates + 1))
    known = to_event(connection.execute(select(table).where(same)).one())
    columns = tables.delivery.c
    kept = connection.execute(select(columns.route, columns.status, columns.attempts).where(columns.event_id == known.id)).all()
    if any(row.attempts or row.status not in ENDED_UNSTARTED for row in kept):
        return Added(known.id, (), duplicate=True)
    shadowed = {row.route for row in kept if row.status == Status.SHADOW}
    planned = [
        delivery
        for delivery in replan(known, f"again {known.duplicates}")
        if not (delivery.status is Status.SHADOW and delivery.route in shadowed)
    ]
    if planned:
        connection.execute(insert(tables.delivery), [delivery_row(delivery) for delivery in planned])
    return Added(known.id, tuple(planned))


def get(database: Database, event_id: str) -> Event:
    """Return the event; `NotFound` where there is none."""
    with database.read() as connection:
        row = connection.execute(select(tables.event).where(tables.event.c.id == event_id)).one_or_none()
    if row is None:
        raise NotFound(f"no event {event_id}")
    return to_event(row)


def deliveries_of(database: Database, event_ids: Sequence[str]) -> dict[str, list[Delivery]]:
    """Return the deliveries of each of these events, in the order they were planned."""
    found: dict[str, list[Delivery]] = {event_id: [] for event_id in event_ids}
    query = select(tables.delivery).where(tables.delivery.c.event_id.in_(event_ids)).order_by(tables.delivery.c.seq)
    with database.read() as connection:
        for row in connection.execute(query):
            found[row.event_id].append(to_delivery(row))
    return found


def remember_config(database: Database, config_hash: str, canonical: str, now: float) -> None:
    """Keep the configuration under its hash, so that every event's plan can be explained and repeated."""

    def work(connection: Connection) -> None:
        known = select(func.count()).select_from(tables.config).where(tables.config.c.hash == config_hash)
        if not connection.execute(known).scalar():
            connection.execute(insert(tables.config).values(hash=config_hash, canonical=canonical, seen_at=now))

    database.write(work)
