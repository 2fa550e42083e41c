"""Rows of new events with their deliveries, and the statements that insert them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from bridge.core.model import Delivery, Event
from bridge.store.db.commit_queue import LockedKeys
from bridge.store.encryption import Sealer
from bridge.store.inbound import deleted_ids, lock_order
from bridge.store.inbound.postgres_arrivals import insert_arrivals
from bridge.store.tables.rows import EVENT_COLUMNS, delivery_row, event_row

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
            [{**one.event, "since": one.since, "erased_id": one.erased_id} for one in rows],
            [delivery for one in rows for delivery in one.deliveries],
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
