"""Repeats: events whose (source, provider_id) is stored already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, case, exists, insert, or_, select, update

from bridge.core.model import Delivery, Event, Status
from bridge.core.retention import is_content_deleted
from bridge.store.encryption import Sealer
from bridge.store.inbound import deleted_ids, form_files, lock_order
from bridge.store.inbound.arrivals import AddedEvent, Arrival, Replan
from bridge.store.tables import schema
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import delivery_again_row, event_row, to_event

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
    unstarted = _unstarted_events(connection, ids) if ids else []
    by_provider_id = {
        (candidate.source, candidate.provider_id): candidate for candidate in unstarted
    }
    planned: list[Delivery] = []
    for (event, deliveries), replan in arrivals:
        planned += deliveries
        if (earlier := by_provider_id.get((event.source, event.provider_id))) is not None:
            planned += replan(
                _with_content(earlier, event) if is_content_deleted(earlier) else earlier, ""
            )
    lock_order.lock(
        connection,
        events=ids,
        planned=planned,
        unmoved=schema.delivery.c.event_id.in_([candidate.id for candidate in unstarted])
        if unstarted
        else None,
        rejects=rejects,
    )


def _known_ids(connection: Connection, arrived: Sequence[Event]) -> list[str]:
    """Return the ids of the stored events that these repeat."""
    names: dict[str, list[str]] = {}
    for event in arrived:
        if event.provider_id is not None:
            names.setdefault(event.source, []).append(event.provider_id)
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


def add_duplicate(connection: Connection, event: Event, replan: Replan) -> AddedEvent | None:
    """Count an event with a known (source, provider_id) inside a transaction.

    If none of its deliveries ever started, `replan` plans it again. A repeat of a deleted event is
    a duplicate without deliveries. Returns None if it is no longer known.
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
    stored = to_event(connection.execute(select(table).where(same)).one(), sealer_of(connection))
    planned = _plan_again(connection, event, stored, replan)
    return AddedEvent(stored.id, planned or (), duplicate=planned is None)


def _plan_again(
    connection: Connection, event: Event, stored: Event, replan: Replan
) -> tuple[Delivery, ...] | None:
    """Plan and insert the deliveries of a known event that was never started; None if it was."""
    unstarted = _unstarted(connection, stored)
    if unstarted is None:
        return None
    if is_content_deleted(stored):  # an equal body restores its contents
        if event.body_sha256 != stored.body_sha256:
            return None
        stored = _restore_content(connection, event, stored)
    again = replan(stored, f"again {stored.duplicates}")
    if connection.dialect.name != "sqlite":
        lock_order.lock(connection, planned=again, unmoved=schema.delivery.c.event_id == stored.id)
        # a user may have changed one of them meanwhile
        unstarted = _unstarted(connection, stored)
        if unstarted is None:
            return None
    shadowed = {row.route for row in unstarted if row.status == Status.SHADOW}
    planned = [
        delivery
        for delivery in again
        if not (delivery.status is Status.SHADOW and delivery.route in shadowed)
    ]
    if planned:
        sealer = sealer_of(connection)
        connection.execute(
            insert(schema.delivery), [delivery_again_row(delivery, sealer) for delivery in planned]
        )
    return tuple(planned)


def _restore_content(connection: Connection, event: Event, stored: Event) -> Event:
    """Store the contents of a repeat with the known event whose own were deleted."""
    content = _content(event, stored.id, sealer_of(connection))
    connection.execute(update(schema.event).where(schema.event.c.id == stored.id).values(content))
    if event.files:
        columns = schema.event.c
        network = connection.execute(
            select(columns.network).where(columns.id == stored.id)
        ).scalar()
        # without a limit: these files were accepted before
        senders = form_files.senders_of(event.source, network)
        size = form_files.size_of(event.files)
        form_files.change_bytes(connection, dict.fromkeys(senders, size))
    return _with_content(stored, event)


def _unstarted(connection: Connection, stored: Event) -> Sequence[Any] | None:
    """Return the deliveries of an event if none of them ever started or is waiting; else None.

    A merged delivery was replaced by a later one: planned again, it would send outdated values.
    """
    columns = schema.delivery.c
    query = select(columns.route, columns.status, columns.attempts, columns.merged_into).where(
        columns.event_id == stored.id
    )
    unstarted = connection.execute(query).all()
    if stored.spam is not None or any(
        row.attempts or row.merged_into or row.status not in UNSTARTED_END_STATUSES
        for row in unstarted
    ):
        return None
    return unstarted


def _with_content(stored: Event, event: Event) -> Event:
    """Return a known event with the contents of its repeat."""
    return replace(stored, body=event.body, files=event.files)


def _content(event: Event, id_: str, sealer: Sealer) -> dict[str, Any]:
    """Return the content columns of an event, encrypted for the row of another."""
    row = event_row(replace(event, id=id_), sealer)
    return {name: row[name] for name in ("body", "files")}
