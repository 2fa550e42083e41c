"""Rows of new events with their deliveries, and the statements that insert them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, Text, bindparam, exists, func, insert, select

from bridge.core.model import Delivery, Event
from bridge.store.db.advisory_locks import DEBOUNCE_KEY_SEED, ORDER_KEY_SEED, take_key_locks
from bridge.store.encryption import Sealer
from bridge.store.inbound import deleted_ids
from bridge.store.tables import schema
from bridge.store.tables.rows import delivery_row, event_row

SAME_BODY_SECONDS = 7 * 86400.0  # for which an equal body under another id is noted


Arrival = tuple[Event, Sequence[Delivery]]


@dataclass(frozen=True, slots=True)
class ArrivalRows:
    """The rows of an event and its deliveries, encrypted before the transaction begins.

    Other writers then do not wait for the encryption.
    """

    event_id: str
    event: dict[str, Any]
    deliveries: list[dict[str, Any]]
    planned: Sequence[Delivery]
    since: float  # events since then with an equal body are noted
    erased_id: str  # its provider id in `deleted_id` if the event was erased

    @classmethod
    def of(cls, arrival: Arrival, sealer: Sealer, secret_key: str) -> ArrivalRows:
        """Return the rows of an event and its deliveries."""
        event, planned = arrival
        deliveries = [delivery_row(one, sealer) for one in planned]
        erased_id = deleted_ids.erased_id(secret_key, event.source, event.provider_id)
        return cls(
            event.id,
            event_row(event, sealer),
            deliveries,
            planned,
            event.received_at - SAME_BODY_SECONDS,
            erased_id,
        )


class _ArrivalBatch:
    """Inserts events with their deliveries; see `RowBatch`.

    On SQLite they are rows of the view `arrival`. Its trigger inserts each into its tables unless
    the event exists.
    """

    def statement(self, items: Sequence[ArrivalRows]) -> tuple[str, list[Any]]:
        """Return the INSERT of `items`."""
        values = [
            value
            for item in items
            for value in (
                *item.event.values(),
                item.since,
                item.erased_id,
                _deliveries(item.deliveries),
            )
        ]
        return _insert_arrivals(len(items)), values

    def rows(self, item: ArrivalRows) -> int | None:
        """Return the number of rows of an event and its deliveries.

        None if a delivery is ordered or merged, which changes other rows.
        """
        return (
            None
            if any(one.order or one.debounce for one in item.planned)
            else 1 + len(item.planned)
        )

    def added(self, raw: sqlite3.Connection, items: Sequence[ArrivalRows]) -> list[bool]:
        """Return which events are new."""
        ids = [item.event_id for item in items]
        stored_ids = {
            row[0]
            for row in raw.execute(
                f"SELECT id FROM event WHERE id IN ({', '.join('?' * len(ids))})",  # noqa: S608 - only question marks
                ids,
            )
        }
        return [event_id in stored_ids for event_id in ids]

    def prepare(self, connection: Connection, items: Sequence[ArrivalRows]) -> None:
        """Take the locks for the deliveries' keys."""
        lock_delivery_keys(connection, [delivery for item in items for delivery in item.planned])

    def insert(self, connection: Connection, item: ArrivalRows) -> bool:
        """Insert one event and its deliveries on PostgreSQL."""
        if (
            connection.execute(
                _insert_event(), {**item.event, "since": item.since, "erased_id": item.erased_id}
            ).first()
            is None
        ):
            return False
        if item.deliveries:
            connection.execute(insert(schema.delivery), item.deliveries)
        return True


ARRIVAL_BATCH = _ArrivalBatch()


ARRIVAL_COLUMNS = (
    "id",
    "source",
    "provider",
    "type",
    "provider_id",
    "received_at",
    "config_hash",
    "problem",
    "body_sha256",
    "headers",
    "query_string",
    "body",
    "sender_retry",
    "files",
    "spam",
    "client",
    "since",
    "erased_id",
)


LOOKUP_COLUMNS = ("since", "erased_id")  # not columns of `event`


def lock_delivery_keys(connection: Connection, planned: Sequence[Delivery]) -> None:
    """Take the locks of ordering and debounce keys, which the triggers take one by one."""
    take_key_locks(
        connection, [(one.route, one.order.key) for one in planned if one.order], ORDER_KEY_SEED
    )
    take_key_locks(
        connection,
        [(one.route, one.debounce.key) for one in planned if one.debounce],
        DEBOUNCE_KEY_SEED,
    )


def _deliveries(rows: Sequence[dict[str, Any]]) -> str:
    """Encode deliveries as JSON: a list for each, in the trigger's order of columns."""
    return orjson.dumps([list(row.values()) for row in rows]).decode()


@lru_cache(maxsize=128)
def _insert_arrivals(rows: int) -> str:
    columns = ", ".join(ARRIVAL_COLUMNS)
    row = f"({', '.join('?' * (len(ARRIVAL_COLUMNS) + 1))})"
    values = ", ".join([row] * rows)
    return f"INSERT INTO arrival ({columns}, deliveries) VALUES {values}"  # noqa: S608 - names of our own tables and columns


@cache
def _insert_event() -> Any:
    from sqlalchemy.dialects import postgresql  # megabytes, so imported only for PostgreSQL

    table = schema.event
    earlier = schema.event.alias()
    known = schema.event.alias()
    gone = schema.deleted_id
    same = (
        earlier.c.source == bindparam("source"),
        earlier.c.body_sha256 == bindparam("body_sha256"),
    )
    newest = select(func.max(earlier.c.seq)).where(*same).scalar_subquery()
    same_body = (
        select(known.c.id)
        .where(known.c.seq == newest, known.c.received_at > bindparam("since"))
        .scalar_subquery()
    )
    given = {
        name: bindparam(name, type_=table.c[name].type)
        for name in ARRIVAL_COLUMNS
        if name not in LOOKUP_COLUMNS
    }
    names = gone.c.provider_id.in_([given["provider_id"], bindparam("erased_id", type_=Text)])
    deleted = exists().where(
        gone.c.source == given["source"], names, gone.c.expires_at > given["received_at"]
    )
    values = select(
        *(value.label(name) for name, value in given.items()), same_body.label("same_body_as")
    ).where(~deleted)
    statement = postgresql.insert(table).from_select([*given, "same_body_as"], values)
    statement = statement.on_conflict_do_nothing(
        index_elements=["source", "provider_id"], index_where=table.c.provider_id.isnot(None)
    )
    return statement.returning(table.c.seq)
