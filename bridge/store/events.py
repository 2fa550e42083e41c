"""Keep events with their deliveries, each once; find them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

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


def add(database: Database, event: Event, deliveries: Sequence[Delivery], replan: Replan) -> Added:
    """Keep an event and its deliveries in one durable transaction.

    An event whose (source, provider_id) is known is a duplicate: it is counted. If nothing of the known one ever started and
    nothing of it waits to, it is planned again by `replan(known event, nonce)` in the same transaction, and those deliveries are kept.
    """
    return database.write(lambda connection: _add(connection, event, deliveries, replan))


def _add(connection: Connection, event: Event, deliveries: Sequence[Delivery], replan: Replan) -> Added:
    insert_event, insert_delivery = _inserts(connection.dialect.name)
    values = event_row(event)
    values["since"] = event.received_at - SAME_BODY
    raw: Any = connection.connection.driver_connection
    if raw.execute(insert_event.text, insert_event.order(values)).rowcount == 1:
        for delivery in deliveries:
            raw.execute(insert_delivery.text, insert_delivery.order(delivery_row(delivery)))
        return Added(event.id, tuple(deliveries))
    return _add_duplicate(connection, event, replan)


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


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement compiled once: the driver's SQL, and its parameters as the driver takes them."""

    text: str
    names: tuple[str, ...] | None

    def order(self, values: dict[str, Any]) -> Any:
        return values if self.names is None else tuple(map(values.__getitem__, self.names))


@lru_cache
def _inserts(dialect: str) -> tuple[_Prepared, _Prepared]:
    """The two statements of every receipt, for the driver itself: SQLAlchemy's executor would cost as much again as SQLite."""
    kind: Any = sqlite if dialect == "sqlite" else postgresql
    table, earlier = tables.event, tables.event.alias()
    latest = earlier.c.source == bindparam("source"), earlier.c.body_sha256 == bindparam("body_sha256")
    newest = select(func.max(earlier.c.seq)).where(*latest).scalar_subquery()
    known = table.alias()
    same_body = select(known.c.id).where(known.c.seq == newest, known.c.received_at > bindparam("since"))
    names = ("id", "source", "provider", "type", "provider_id", "received_at", "config_hash", "problem", "body_sha256", "headers",
             "query_string", "body")  # fmt: skip
    event = kind.insert(table).values({name: bindparam(name) for name in names} | {"same_body_as": same_body.scalar_subquery()})
    event = event.on_conflict_do_nothing(index_elements=["source", "provider_id"], index_where=table.c.provider_id.isnot(None))
    columns = ("id", "event_id", "route", "flow", "platform", "saved_item_id", "status", "reason", "created_at", "due_at", "finished_at",
               "config_hash", "retry_attempts", "retry_first", "retry_max", "on_unknown", "run_timeout", "whole_body", "inputs")  # fmt: skip
    delivery = insert(tables.delivery).values({name: bindparam(name) for name in columns})
    return _prepare(event, kind), _prepare(delivery, kind)


def _prepare(statement: Any, kind: Any) -> _Prepared:
    options = {} if kind is sqlite else {"paramstyle": "pyformat"}
    compiled = statement.compile(dialect=kind.dialect(**options))
    return _Prepared(str(compiled), tuple(compiled.positiontup) if kind is sqlite else None)


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
