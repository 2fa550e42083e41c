"""Store events with their deliveries, each once, and read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, select

from bridge.core.errors import NotFound, StoreError
from bridge.core.model import JSON, Delivery, Event, FormFile
from bridge.ingest.ports import EventsStored, StoringFailed, StoringResult, StoringWaits
from bridge.store.db.advisory_locks import lock_keys
from bridge.store.db.database import Database
from bridge.store.inbound import deleted_ids, duplicates
from bridge.store.inbound.arrivals import ARRIVAL_BATCH, AddedEvent, Arrival, ArrivalRows, Replan
from bridge.store.tables import schema
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import files_of as files_in
from bridge.store.tables.rows import from_json, to_delivery, to_event

WHOLE_DELIVERIES: Select[Any] = select(schema.delivery)


def add(
    database: Database, event: Event, deliveries: Sequence[Delivery], replan: Replan
) -> AddedEvent:
    """Store an event and its deliveries in one durable transaction.

    An event with a known (source, provider_id) is a duplicate: it is counted, together with the
    sender's retry number. If no delivery of the known event ever started or is waiting, it is
    planned again by `replan(known event, nonce)` in the same transaction, and those deliveries are
    stored.
    """
    return add_all(database, [(event, deliveries)], replan)[0]


def add_all(database: Database, arrivals: Sequence[Arrival], replan: Replan) -> list[AddedEvent]:
    """Store several events with their deliveries in one durable transaction; see `add`."""
    return _complete(
        database, arrivals, replan, database.append(ARRIVAL_BATCH, _rows(database, arrivals))
    )


def add_each(
    database: Database,
    requests: Sequence[tuple[Sequence[Arrival], Replan]],
    *,
    waits: bool = True,
) -> list[StoringResult]:
    """Store the events of several requests in one commit; see `add_all`.

    Duplicates, and requests that wait for a lock, take a transaction of their own. Without `waits`,
    raises `CommitWaits` where the commit would wait, `CommitBusy` if for another one.
    """
    if not waits:
        database.check_commit_is_free()  # else it would make, and encrypt, rows at each try
    rows = [_rows(database, batch) for batch, _ in requests]
    done = database.append_each(ARRIVAL_BATCH, rows, waits=waits)
    results: list[StoringResult] = []
    for (arrivals, replan), new in zip(requests, done, strict=True):
        if isinstance(new, Exception):
            results.append(StoringFailed(new))
        elif isinstance(new, list) and all(new):
            results.append(EventsStored(_complete(database, arrivals, replan, new)))
        else:
            results.append(StoringWaits(partial(_complete, database, arrivals, replan, new)))
    return results


def _rows(database: Database, arrivals: Sequence[Arrival]) -> list[ArrivalRows]:
    return [ArrivalRows.of(arrival, database.sealer, database.secret_key) for arrival in arrivals]


def _complete(
    database: Database,
    arrivals: Sequence[Arrival],
    replan: Replan,
    added: Sequence[bool] | Callable[[], Sequence[bool]],
) -> list[AddedEvent]:
    """Return the results of arrivals that were `added`, or that it adds; count the duplicates."""
    new = added() if callable(added) else added
    repeated = [arrival for arrival, is_new in zip(arrivals, new, strict=True) if not is_new]
    again = iter(_add_duplicates(database, repeated, replan) if repeated else ())
    return [
        AddedEvent(event.id, tuple(planned)) if is_new else next(again)
        for (event, planned), is_new in zip(arrivals, new, strict=True)
    ]


def _add_duplicates(
    database: Database, arrivals: Sequence[Arrival], replan: Replan
) -> list[AddedEvent]:
    def work(connection: Connection) -> list[AddedEvent | None]:
        if len(arrivals) > 1:  # the locks of one are taken in order anyway
            duplicates.lock_arrivals(connection, [((event, ()), replan) for event, _ in arrivals])
        return [duplicates.add_duplicate(connection, event, replan) for event, _ in arrivals]

    added = database.write(work)
    # An event that was known a moment ago may have been deleted: then this one is new.
    return [
        added[at] or add_all(database, [arrival], replan)[0] for at, arrival in enumerate(arrivals)
    ]


def add_one(connection: Connection, arrival: Arrival) -> bool:
    """Store one event inside a transaction, and return whether it was new."""
    item = ArrivalRows.of(arrival, sealer_of(connection), deleted_ids.secret_key_of(connection))
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name != "sqlite":
        lock_keys(raw, ARRIVAL_BATCH.keys([item]))
        return ARRIVAL_BATCH.insert(raw, [item])[0]
    raw.execute(*ARRIVAL_BATCH.statement([item]))
    return ARRIVAL_BATCH.added(raw, [item])[0]


def add_within(
    connection: Connection, arrivals: Sequence[tuple[Arrival, Replan]]
) -> list[AddedEvent]:
    """Store events inside a transaction, or count them as duplicates; see `add`.

    Call `duplicates.lock_arrivals` first. New events are inserted in the order in which shared
    commits insert them, since two transactions may insert the same.
    """
    in_order = sorted(
        range(len(arrivals)),
        key=lambda at: (arrivals[at][0][0].source, arrivals[at][0][0].provider_id or ""),
    )
    added = {at: _add_within(connection, *arrivals[at]) for at in in_order}
    return [added[at] for at in range(len(arrivals))]


def _add_within(connection: Connection, arrival: Arrival, replan: Replan) -> AddedEvent:
    event, deliveries = arrival
    if add_one(connection, arrival):
        return AddedEvent(event.id, tuple(deliveries))
    added = duplicates.add_duplicate(connection, event, replan)
    if added is None:
        raise StoreError("the event that this request repeats was just deleted")
    return added


def get(database: Database, event_id: str) -> Event:
    """Return the event. Raises `NotFound`."""
    with database.read() as connection:
        row = connection.execute(
            select(schema.event).where(schema.event.c.id == event_id)
        ).one_or_none()
    if row is None:
        raise NotFound(f"no event {event_id}")
    return to_event(row, database.sealer)


def files_of(database: Database, event_id: str) -> tuple[FormFile, ...]:
    """Return the files of a form in their order; empty if the event does not exist."""
    with database.read() as connection:
        column = connection.execute(
            select(schema.event.c.files).where(schema.event.c.id == event_id)
        ).scalar()
    return files_in(column, event_id, database.sealer)


def headers_of(database: Database, event_id: str) -> tuple[str, dict[str, str]]:
    """Return an event's source and headers; both empty if the event does not exist."""
    columns = schema.event.c
    with database.read() as connection:
        row = connection.execute(
            select(columns.source, columns.headers).where(columns.id == event_id)
        ).one_or_none()
    if row is None:
        return "", {}
    headers: JSON = from_json(database.sealer.open(row.headers, "event", "headers", event_id))
    return row.source, headers or {}


def deliveries_of(
    database: Database, event_ids: Sequence[str], columns: Select[Any] = WHOLE_DELIVERIES
) -> dict[str, list[Delivery]]:
    """Return the deliveries of each event in the order of planning.

    `columns`: those to read of each delivery.
    """
    deliveries: dict[str, list[Delivery]] = {event_id: [] for event_id in event_ids}
    if not deliveries:
        return deliveries
    delivery = schema.delivery.c
    query = columns.where(delivery.event_id.in_(event_ids)).order_by(delivery.seq)
    with database.read() as connection:
        for row in connection.execute(query):
            deliveries[row.event_id].append(to_delivery(row, database.sealer))
    return deliveries
