"""Look up one event by the id of an event, a delivery or a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Row, Select, desc, null, select
from sqlalchemy import text as sql_text

from bridge.core.errors import NotFound
from bridge.core.model import OWN_SOURCE_NAME, Attempt, Delivery, Event
from bridge.store.db import id_prefix
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.tables.rows import to_attempt
from bridge.store.tables.schema import attempt, delivery, event


@dataclass(frozen=True, slots=True)
class EventHistory:
    """One event with its deliveries and their attempts.

    `delivery_id`: the delivery whose id, or whose run's id, was given.
    """

    event: Event
    deliveries: Sequence[Delivery]
    attempts: dict[str, list[Attempt]]
    delivery_id: str | None = None


def show(database: Database, text: str) -> EventHistory:
    """Return the event of an event, delivery or run id, or of a unique prefix or suffix.

    Raises `NotFound` where no id, or more than one, matches.
    """
    event_id, delivery_id = find(database, text)
    deliveries = events.deliveries_of(database, [event_id])[event_id]
    attempts = read_attempts(database, [event_delivery.id for event_delivery in deliveries])
    return EventHistory(events.get(database, event_id), deliveries, attempts, delivery_id)


def read_attempts(database: Database, delivery_ids: Sequence[str]) -> dict[str, list[Attempt]]:
    """Return the attempts of each of these deliveries, the first one first."""
    attempts: dict[str, list[Attempt]] = {id_: [] for id_ in delivery_ids}
    query = (
        select(attempt)
        .where(attempt.c.delivery_id.in_(delivery_ids))
        .order_by(attempt.c.delivery_id, attempt.c.number)
    )
    with database.read() as connection:
        for row in connection.execute(query):
            attempts[row.delivery_id].append(to_attempt(row, database.sealer))
    return attempts


@dataclass(frozen=True, slots=True)
class NewestEvent:
    """The newest event of a sender, or else of flowbridge itself.

    `alert_id`: the alert that flowbridge stored after it, if any.
    """

    event_id: str
    alert_id: str | None = None


def newest_event(database: Database) -> NewestEvent | None:
    """Return the event that was received last, null where none is stored."""
    newest_first = select(event.c.id).order_by(event.c.seq.desc()).limit(1)
    with database.read() as connection:
        newest = connection.execute(newest_first).scalar()
        sent = connection.execute(newest_first.where(event.c.source != OWN_SOURCE_NAME)).scalar()
    if newest is None:
        return None
    return NewestEvent(newest) if sent in (None, newest) else NewestEvent(sent, newest)


def find_provider(database: Database, source: str) -> str | None:
    """Return the provider of the event of a source that was received last, None without one."""
    query = (
        select(event.c.provider)
        .where(event.c.source == source)
        .order_by(event.c.received_at.desc())
        .limit(1)
    )
    with database.read() as connection:
        return connection.execute(query).scalar()


def find(database: Database, text: str, *, by_ending: bool = True) -> tuple[str, str | None]:
    """Return (event id, delivery id or None) of an id; raises `NotFound` as `show` does.

    `by_ending`: also if only the ending of an id is given, for which all ids are read.
    """
    likely = _SEARCHES.get(text[:4])
    searches = [likely] if likely else list(_SEARCHES.values())
    if likely and id_prefix.ELLIPSIS not in text:
        by_ending = False  # no ending begins as an id does
    for ways in zip(
        *(
            id_prefix.id_conditions(column, text, is_sqlite=database.is_sqlite, by_ending=by_ending)
            for column, _ in searches
        ),
        strict=True,
    ):
        with database.read() as connection:
            matches = [
                row
                for (_, query), named in zip(searches, ways, strict=True)
                for row in connection.execute(
                    query.where(named).order_by(desc("named")).limit(id_prefix.CANDIDATE_LIMIT)
                )
            ]
        if len(matches) > 1:
            raise id_prefix.ambiguous_id(text, {row.named: _describe(row) for row in matches})
        if matches:
            return matches[0].event_id, matches[0].delivery_id
    raise NotFound(f"no event, delivery or run has the id {text!r}")


def find_by_provider_id(database: Database, text: str, sources: Collection[str]) -> list[str]:
    """Return the ids of the events of these sources that have this id of the sender."""
    query = (
        select(event.c.id)
        .where(
            sql_text("event.provider_id IS NOT NULL"),
            event.c.source.in_(sources),
            event.c.provider_id == text,
        )
        .order_by(event.c.id.desc())
    )
    with database.read() as connection:
        return list(connection.execute(query).scalars())


def _describe(row: Row[Any]) -> str:
    """Return an id; that of a delivery with its route and status, since the route ends it."""
    return row.named if row.route is None else f"{row.named} ({row.route}, {row.status})"


def _search(column: Column[Any], event_id: Column[Any], *, of_delivery: bool) -> Select[Any]:
    return select(
        column.label("named"),
        event_id.label("event_id"),
        (delivery.c.id if of_delivery else null()).label("delivery_id"),
        (delivery.c.route if of_delivery else null()).label("route"),
        (delivery.c.status if of_delivery else null()).label("status"),
    )


#: By the first characters of an id, where all ids of a kind have them.
_SEARCHES = {
    "evt_": (event.c.id, _search(event.c.id, event.c.id, of_delivery=False)),
    "dlv_": (delivery.c.id, _search(delivery.c.id, delivery.c.event_id, of_delivery=True)),
    "run id": (
        delivery.c.run_id,
        _search(delivery.c.run_id, delivery.c.event_id, of_delivery=True),
    ),
    # that another run of the delivery followed
    "replaced run id": (
        attempt.c.run_id,
        _search(attempt.c.run_id, delivery.c.event_id, of_delivery=True)
        .join_from(attempt, delivery, attempt.c.delivery_id == delivery.c.id)
        .where(sql_text("attempt.run_id IS NOT NULL"), attempt.c.run_state.is_not(None)),
    ),
}
