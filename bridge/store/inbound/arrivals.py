"""Rows of new events with their deliveries, and the statements that insert them.

On PostgreSQL one statement inserts any number of them. Its parameters are the events as JSON, their
bodies, and the deliveries as JSON: three values cost the driver and the server a fraction of what
those of each row would.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import orjson
from sqlalchemy import Table

from bridge.core.model import Delivery, Event
from bridge.store.db.commit_queue import LockedKeys
from bridge.store.encryption import Sealer
from bridge.store.inbound import deleted_ids, lock_order
from bridge.store.tables import schema
from bridge.store.tables.rows import EVENT_COLUMNS, delivery_row, event_row

#: `given` may contain an event only once. An event is `fresh` unless it is stored, or was and is
#: deleted. `seq` follows the order of `given`, but the rows are inserted in the order of their ids:
#: a transaction that inserts an event waits for another that has inserted the same one, so two with
#: the same events in any order do not deadlock. COLLATE "C" is the order of Python's strings.
_STATEMENT = """
WITH given AS (
    SELECT * FROM ROWS FROM (
        json_to_recordset(%s::json) AS ({typed_events}, since double precision, erased_id text),
        unnest(%b::bytea[])
    ) WITH ORDINALITY AS given({events}, since, erased_id, body, place)
), fresh AS (
    SELECT nextval((SELECT pg_get_serial_sequence('event', 'seq')::regclass)) AS seq,
        {events}, body, coalesce(
        lag(id) OVER (PARTITION BY source, body_sha256 ORDER BY place),
        (SELECT same.id FROM event AS same
         WHERE same.received_at > given.since
           AND same.seq = (SELECT max(earlier.seq) FROM event AS earlier
                           WHERE earlier.source = given.source
                             AND earlier.body_sha256 = given.body_sha256))
    ) AS same_body_as
    FROM given
    WHERE NOT EXISTS (SELECT FROM event AS known
                      WHERE known.source = given.source AND known.provider_id = given.provider_id)
      AND NOT EXISTS (SELECT FROM deleted_id AS gone
                      WHERE gone.source = given.source
                        AND gone.provider_id IN (given.provider_id, given.erased_id)
                        AND gone.expires_at > given.received_at)
    ORDER BY place
), added AS (
    INSERT INTO event (seq, {events}, body, same_body_as)
    SELECT seq, {events}, body, same_body_as FROM fresh
    ORDER BY source COLLATE "C", provider_id COLLATE "C"
    ON CONFLICT (source, provider_id) WHERE provider_id IS NOT NULL DO NOTHING
    RETURNING id
), planned AS (
    INSERT INTO delivery ({deliveries})
    SELECT {planned_deliveries}
    FROM ROWS FROM (json_to_recordset(%s::json) AS ({typed_deliveries}))
        WITH ORDINALITY AS planned({deliveries}, place)
    JOIN added ON added.id = planned.event_id
    ORDER BY place
)
SELECT id FROM added
"""


def insert_arrivals(
    raw: Any,
    events: Sequence[Mapping[str, Any]],
    deliveries: Iterable[Mapping[str, Any]],
) -> set[str]:
    """Insert the events that are not stored yet, and their deliveries; return the ids of the new.

    `events` have the names `since` and `erased_id` as well; see `ArrivalRows`.
    """
    planned = list(deliveries)
    statement = _build_statement(
        tuple(name for name in events[0] if name not in ("body", "since", "erased_id")),
        tuple(planned[0]) if planned else ("event_id",),
    )
    values = [
        orjson.dumps([{**event, "body": None} for event in events]).decode(),
        [event["body"] for event in events],
        orjson.dumps(planned).decode(),
    ]
    return {row[0] for row in raw.execute(statement, values, prepare=True)}


@cache
def _build_statement(events: Sequence[str], deliveries: Sequence[str]) -> str:
    return _STATEMENT.format(
        events=", ".join(events),
        typed_events=_typed(schema.event, events),
        deliveries=", ".join(deliveries),
        planned_deliveries=", ".join(f"planned.{name}" for name in deliveries),
        typed_deliveries=_typed(schema.delivery, deliveries),
    )


def _typed(table: Table, names: Iterable[str]) -> str:
    """Return the columns with their types; FLOAT is double precision there."""
    return ", ".join(f"{name} {table.c[name].type}" for name in names)


SAME_BODY_SECONDS = 7 * 86400.0  # for which an equal body under another id is noted

Arrival = tuple[Event, Sequence[Delivery]]
#: Plans a known event again: the event and a nonce for the ids of the new deliveries.
Replan = Callable[[Event, str], Sequence[Delivery]]


@dataclass(frozen=True, slots=True)
class AddedEvent:
    """The result of storing a request: its event, new or known, and the new deliveries."""

    event_id: str
    deliveries: tuple[Delivery, ...]
    duplicate: bool = False


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
        deliveries = [delivery_row(delivery, sealer) for delivery in planned]
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
            if any(delivery.order or delivery.debounce for delivery in item.planned)
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

    def size(self, item: ArrivalRows) -> int:
        """Return the size of the contents: the other columns are small."""
        inputs = [row["inputs"] for row in item.deliveries]
        return sum(map(len, filter(None, (item.event["body"], item.event["headers"], *inputs))))

    def keys(self, items: Sequence[ArrivalRows]) -> LockedKeys:
        """Return the ordering and debounce keys of the deliveries."""
        keys = lock_order.keys_of(delivery for item in items for delivery in item.planned)
        return [(seed, pairs) for seed, pairs in keys.items() if pairs]

    def insert(self, raw: Any, items: Sequence[ArrivalRows]) -> list[bool]:
        """Insert the events and their deliveries on PostgreSQL.

        The second of two equal events repeats the first.
        """
        first: dict[Any, ArrivalRows] = {}
        for item in items:
            provider_id = item.event["provider_id"]
            same = item.event_id if provider_id is None else (item.event["source"], provider_id)
            first.setdefault(same, item)
        if not first:
            return []
        rows = first.values()
        new = insert_arrivals(
            raw,
            [{**row.event, "since": row.since, "erased_id": row.erased_id} for row in rows],
            [delivery for row in rows for delivery in row.deliveries],
        )
        return [item.event_id in new for item in items]


ARRIVAL_BATCH = _ArrivalBatch()


ARRIVAL_COLUMNS = (*EVENT_COLUMNS, "since", "erased_id")


def _deliveries(rows: Sequence[dict[str, Any]]) -> str:
    """Encode deliveries as JSON: a list for each, in the trigger's order of columns."""
    return orjson.dumps([list(row.values()) for row in rows]).decode()


@lru_cache(maxsize=128)
def _insert_arrivals(rows: int) -> str:
    columns = ", ".join(ARRIVAL_COLUMNS)
    row = f"({', '.join('?' * (len(ARRIVAL_COLUMNS) + 1))})"
    values = ", ".join([row] * rows)
    return f"INSERT INTO arrival ({columns}, deliveries) VALUES {values}"  # noqa: S608 - names of our own tables and columns
