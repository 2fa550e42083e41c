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

ROWS = 16  # deliveries inserted by one statement at most

EVENT = ("id", "source", "provider", "type", "provider_id", "received_at", "config_hash", "problem", "body_sha256", "headers",
         "query_string", "body")  # fmt: skip
DELIVERY = ("id", "event_id", "route", "flow", "platform", "saved_item_id", "status", "reason", "created_at", "due_at", "finished_at",
            "config_hash", "retry_attempts", "retry_first", "retry_max", "on_unknown", "run_timeout", "whole_body", "inputs")  # fmt: skip

Replan = Callable[[Event, str], Sequence[Delivery]]


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a request: the event it is (new or known), and the deliveries that are new."""

    event_id: str
    deliveries: tuple[Delivery, ...]
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class _Arrival:
    event: Event
    deliveries: Sequence[Delivery]
    replan: Replan


def add(database: Database, event: Event, deliveries: Sequence[Delivery], replan: Replan) -> Added:
    """Keep an event and its deliveries in one durable transaction.

    An event whose (source, provider_id) is known is a duplicate: it is counted. If nothing of the known one ever started and
    nothing of it waits to, it is planned again by `replan(known event, nonce)` in the same transaction, and those deliveries are kept.
    """
    return database.write_together(_add, _Arrival(event, deliveries, replan))


def _add(connection: Connection, arrivals: Sequence[_Arrival]) -> list[Added]:
    """Insert all events by one statement and their deliveries by another; only duplicates need a look at each."""
    raw: Any = connection.connection.driver_connection
    dialect = connection.dialect.name
    inserted = raw.execute(*_insert_events(dialect, len(arrivals)).with_rows([_columns(each.event) for each in arrivals])).rowcount
    new = {each.event.id for each in arrivals} if inserted == len(arrivals) else _kept(connection, arrivals)
    rows = [delivery_row(delivery) for each in arrivals if each.event.id in new for delivery in each.deliveries]
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        raw.execute(*_insert_deliveries(dialect, len(part)).with_rows(part))
    return [
        Added(each.event.id, tuple(each.deliveries)) if each.event.id in new else _add_duplicate(connection, each.event, each.replan)
        for each in arrivals
    ]


def _columns(event: Event) -> dict[str, Any]:
    return event_row(event) | {"since": event.received_at - SAME_BODY}


def _kept(connection: Connection, arrivals: Sequence[_Arrival]) -> set[str]:
    ids = select(tables.event.c.id).where(tables.event.c.id.in_([each.event.id for each in arrivals]))
    return set(connection.execute(ids).scalars())


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
    """An insert of some rows, compiled once: the driver's SQL, and the names of a row's parameters in the driver's order."""

    text: str
    names: tuple[str, ...]
    positional: bool

    def with_rows(self, rows: Sequence[dict[str, Any]]) -> tuple[str, Any]:
        """Return the SQL and its parameters."""
        if self.positional:
            return self.text, [row[name] for row in rows for name in self.names]
        return self.text, {f"{name}_{place}": row[name] for place, row in enumerate(rows) for name in self.names}


@lru_cache(maxsize=256)
def _insert_events(dialect: str, rows: int) -> _Prepared:
    """The insert of every receipt, for the driver itself: SQLAlchemy's executor would cost as much again as SQLite."""
    kind: Any = sqlite if dialect == "sqlite" else postgresql
    table = tables.event
    values = [{name: bindparam(f"{name}_{place}") for name in EVENT} | {"same_body_as": _same_body(place)} for place in range(rows)]
    statement = kind.insert(table).values(values)
    statement = statement.on_conflict_do_nothing(index_elements=["source", "provider_id"], index_where=table.c.provider_id.isnot(None))
    return _prepare(statement, kind)


@lru_cache(maxsize=256)
def _insert_deliveries(dialect: str, rows: int) -> _Prepared:
    kind: Any = sqlite if dialect == "sqlite" else postgresql
    return _prepare(insert(tables.delivery).values([{name: bindparam(f"{name}_{place}") for name in DELIVERY} for place in range(rows)]), kind)


def _same_body(place: int) -> Any:
    """The id of the newest event of the source with the same body, if it is not too old."""
    earlier, known = tables.event.alias(), tables.event.alias()
    same = earlier.c.source == bindparam(f"source_{place}"), earlier.c.body_sha256 == bindparam(f"body_sha256_{place}")
    newest = select(func.max(earlier.c.seq)).where(*same).scalar_subquery()
    return select(known.c.id).where(known.c.seq == newest, known.c.received_at > bindparam(f"since_{place}")).scalar_subquery()


def _prepare(statement: Any, kind: Any) -> _Prepared:
    positional = kind is sqlite
    compiled = statement.compile(dialect=kind.dialect(**({} if positional else {"paramstyle": "pyformat"})))
    names = compiled.positiontup if positional else compiled.params
    row = tuple(name.removesuffix("_0") for name in names if name.endswith("_0"))
    return _Prepared(str(compiled), row, positional)


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
