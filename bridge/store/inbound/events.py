"""Store events with their deliveries, each once, and read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, case, exists, insert, or_, select, update

from bridge.core.errors import NotFound, StoreError
from bridge.core.model import JSON, Delivery, Event, FormFile, Status
from bridge.core.retention import is_content_deleted
from bridge.store.db.advisory_locks import lock_keys
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import deleted_ids, form_files, lock_order
from bridge.store.inbound.arrivals import ARRIVAL_BATCH, Arrival, ArrivalRows
from bridge.store.tables import schema
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import delivery_row, event_row, from_json, to_delivery, to_event
from bridge.store.tables.rows import files_of as files_in

WHOLE_DELIVERIES: Select[Any] = select(schema.delivery)
UNSTARTED_END_STATUSES = (Status.DEAD, Status.CANCELLED, Status.SHADOW)

# the same condition as in `_unstarted`, for many events at once
_HAS_STARTED = exists().where(
    schema.delivery.c.event_id == schema.event.c.id,
    or_(
        schema.delivery.c.attempts > 0,
        schema.delivery.c.merged_into.is_not(None),
        schema.delivery.c.status.not_in(UNSTARTED_END_STATUSES),
    ),
)

Replan = Callable[[Event, str], Sequence[Delivery]]


@dataclass(frozen=True, slots=True)
class AddedEvent:
    """The result of storing a request: its event, new or known, and the new deliveries."""

    event_id: str
    deliveries: tuple[Delivery, ...]
    duplicate: bool = False


#: Finishes the storing of a request in a transaction of its own, and returns its result.
Completion = Callable[[], Sequence[AddedEvent]]


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
) -> list[list[AddedEvent] | Exception | Completion]:
    """Store the events of several requests in one commit; see `add_all`.

    Returns for each request its result, or its error (then nothing of it is stored), or a function
    that returns or raises them: for duplicates, and where a lock is waited for. Without
    `waits`, raises `CommitWaits` where the commit would wait.
    """
    rows = [_rows(database, one) for one, _ in requests]
    done = database.append_each(ARRIVAL_BATCH, rows, waits=waits)
    results: list[list[AddedEvent] | Exception | Completion] = []
    for (arrivals, replan), new in zip(requests, done, strict=True):
        if isinstance(new, Exception):
            results.append(new)
        elif isinstance(new, list) and all(new):
            results.append(_complete(database, arrivals, replan, new))
        else:
            results.append(partial(_complete, database, arrivals, replan, new))
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
    known = [arrival for arrival, is_new in zip(arrivals, new, strict=True) if not is_new]
    again = iter(_add_duplicates(database, known, replan) if known else ())
    return [
        AddedEvent(event.id, tuple(planned)) if is_new else next(again)
        for (event, planned), is_new in zip(arrivals, new, strict=True)
    ]


def _add_duplicates(
    database: Database, arrivals: Sequence[Arrival], replan: Replan
) -> list[AddedEvent]:
    def work(connection: Connection) -> list[AddedEvent | None]:
        if len(arrivals) > 1:  # the locks of one are taken in order anyway
            lock_arrivals(connection, [((event, ()), replan) for event, _ in arrivals])
        return [add_duplicate(connection, event, replan) for event, _ in arrivals]

    found = database.write(work)
    # An event that was known a moment ago may have been deleted: then this one is new.
    return [
        found[at] or add_all(database, [arrival], replan)[0] for at, arrival in enumerate(arrivals)
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


def lock_arrivals(
    connection: Connection,
    arrivals: Sequence[tuple[Arrival, Replan]],
    rejects: Sequence[str] = (),
) -> None:
    """Take the locks to store arrivals or count them as duplicates, and those of rejects.

    A known event that is planned again is planned here, too: keys are locked before deliveries.
    """
    if connection.dialect.name == "sqlite":
        return
    ids = _known_ids(connection, [event for (event, _), _ in arrivals])
    known = _unstarted_events(connection, ids) if ids else []
    by_provider_id = {(one.source, one.provider_id): one for one in known}
    planned: list[Delivery] = []
    for (event, deliveries), replan in arrivals:
        planned += deliveries
        if (one := by_provider_id.get((event.source, event.provider_id))) is not None:
            planned += replan(_with_content(one, event), "")
    lock_order.lock(
        connection,
        events=ids,
        planned=planned,
        unmoved=schema.delivery.c.event_id.in_([one.id for one in known]) if known else None,
        rejects=rejects,
    )


def _known_ids(connection: Connection, arrived: Sequence[Event]) -> list[str]:
    """Return the ids of the stored events that these repeat."""
    names: dict[str, list[str]] = {}
    for one in arrived:
        if one.provider_id is not None:
            names.setdefault(one.source, []).append(one.provider_id)
    if not names:
        return []
    columns = schema.event.c
    same = [
        (columns.source == source) & columns.provider_id.in_(ids) for source, ids in names.items()
    ]
    return list(connection.execute(select(columns.id).where(or_(*same))).scalars())


def _unstarted_events(connection: Connection, ids: Sequence[str]) -> list[Event]:
    """Return those of these events that `add_duplicate` plans again."""
    columns = schema.event.c
    query = select(schema.event).where(columns.id.in_(ids), columns.spam.is_(None), ~_HAS_STARTED)
    return [to_event(row, sealer_of(connection)) for row in connection.execute(query)]


def add_within(
    connection: Connection, arrivals: Sequence[tuple[Arrival, Replan]]
) -> list[AddedEvent]:
    """Store events inside a transaction, or count them as duplicates; see `add`.

    Call `lock_arrivals` first. New events are inserted in the order in which shared commits insert
    them, since two transactions may insert the same.
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
    added = add_duplicate(connection, event, replan)
    if added is None:
        raise StoreError("the event that this request repeats was just deleted")
    return added


def add_duplicate(connection: Connection, event: Event, replan: Replan) -> AddedEvent | None:
    """Count an event with a known (source, provider_id) inside a transaction; see `add`.

    Returns None if it is no longer known. A repeat of a deleted event is a duplicate without
    deliveries.
    """
    table = schema.event
    same = (table.c.source == event.source) & (table.c.provider_id == event.provider_id)
    counted: dict[str, Any] = {"duplicates": table.c.duplicates + 1}
    if event.sender_retry is not None:  # the highest wins: retries may arrive out of order
        counted["sender_retry"] = case(
            (table.c.sender_retry > event.sender_retry, table.c.sender_retry),
            else_=event.sender_retry,
        )
    if connection.execute(update(table).where(same).values(counted)).rowcount == 0:
        deleted = deleted_ids.find(connection, event)
        return None if deleted is None else AddedEvent(deleted, (), duplicate=True)
    sealer = sealer_of(connection)
    known = to_event(connection.execute(select(table).where(same)).one(), sealer)
    unstarted = _unstarted(connection, known)
    if unstarted is None:
        return AddedEvent(known.id, (), duplicate=True)
    if is_content_deleted(known):  # an equal body restores its contents
        if event.body_sha256 != known.body_sha256:
            return AddedEvent(known.id, (), duplicate=True)
        connection.execute(update(table).where(same).values(_content(event, known.id, sealer)))
        if event.files:
            # without a limit: these files were accepted before
            form_files.add_bytes(connection, event.source, form_files.size_of(event.files), None)
        known = _with_content(known, event)
    again = replan(known, f"again {known.duplicates}")
    if connection.dialect.name != "sqlite":
        lock_order.lock(connection, planned=again, unmoved=schema.delivery.c.event_id == known.id)
        # a user may have changed one of them meanwhile
        unstarted = _unstarted(connection, known)
        if unstarted is None:
            return AddedEvent(known.id, (), duplicate=True)
    shadowed = {row.route for row in unstarted if row.status == Status.SHADOW}
    planned = [
        delivery
        for delivery in again
        if not (delivery.status is Status.SHADOW and delivery.route in shadowed)
    ]
    if planned:
        connection.execute(
            insert(schema.delivery), [delivery_row(delivery, sealer) for delivery in planned]
        )
    return AddedEvent(known.id, tuple(planned))


def _unstarted(connection: Connection, known: Event) -> Sequence[Any] | None:
    """Return the deliveries of an event if none of them ever started or is waiting; else None.

    A merged delivery was replaced by a later one: planned again, it would send outdated values.
    """
    columns = schema.delivery.c
    query = select(columns.route, columns.status, columns.attempts, columns.merged_into).where(
        columns.event_id == known.id
    )
    unstarted = connection.execute(query).all()
    if known.spam is not None or any(
        row.attempts or row.merged_into or row.status not in UNSTARTED_END_STATUSES
        for row in unstarted
    ):
        return None
    return unstarted


def _with_content(known: Event, event: Event) -> Event:
    """Return a known event with the contents of its repeat, if its own are deleted."""
    if not is_content_deleted(known):
        return known
    return replace(known, body=event.body, files=event.files)


def _content(event: Event, id_: str, sealer: Sealer) -> dict[str, Any]:
    """Return the content columns of an event, encrypted for the row of another."""
    row = event_row(replace(event, id=id_), sealer)
    return {name: row[name] for name in ("body", "files")}


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
    found: JSON = from_json(database.sealer.open(row.headers, "event", "headers", event_id))
    return row.source, found or {}


def deliveries_of(
    database: Database, event_ids: Sequence[str], columns: Select[Any] = WHOLE_DELIVERIES
) -> dict[str, list[Delivery]]:
    """Return the deliveries of each event in the order of planning.

    `columns`: those to read of each delivery.
    """
    found: dict[str, list[Delivery]] = {event_id: [] for event_id in event_ids}
    if not found:
        return found
    delivery = schema.delivery.c
    query = columns.where(delivery.event_id.in_(event_ids)).order_by(delivery.seq)
    with database.read() as connection:
        for row in connection.execute(query):
            found[row.event_id].append(to_delivery(row, database.sealer))
    return found
