"""Store form submissions, each once and within the rate limits, on all nodes and across restarts.

A submission, its event and its deduplication rows are one transaction
(`bridge.ingest.forms.spam.dedup.SubmissionMarks`). For a rate, the stored time is when its
bucket is empty again
(https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm). The row of the form's own rate is
always locked first and limits the others, so there are never more rows than the rate allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Connection, insert, select, text, update

from bridge.core.clock_reading import MIN_STEP_SECONDS
from bridge.core.errors import Refused, StoreError
from bridge.core.model import Delivery, Event
from bridge.ingest.forms.room import is_share_used, limit_of
from bridge.ingest.forms.spam.dedup import SubmissionMarks
from bridge.ingest.forms.spam.layers import MARKED_BY_PERSON
from bridge.ingest.ports import daily_bytes_full, files_full
from bridge.store.db.database import Database
from bridge.store.inbound import (
    daily_bytes,
    duplicates,
    events,
    form_files,
    lock_order,
    network_bytes,
)
from bridge.store.inbound.arrivals import AddedEvent, Replan
from bridge.store.tables.encrypted import sealer_of
from bridge.store.tables.rows import delivery_again_row, to_event
from bridge.store.tables.schema import delivery, event, recent

# Expired rows deleted with each submission: more than one submission adds.
SWEEP_ROWS: Final = 20
SWEEP_BATCH_ROWS: Final = 5000  # by the maintenance job
ROUNDING_SECONDS: Final = 0.001

# A time further ahead than the period was stored by a clock that was wrong then.
_BEGIN: Final = (
    "CASE WHEN recent.until > :now AND recent.until <= :now + :per + :drift"
    " THEN recent.until ELSE :now END"
)
_ADMIT = text(
    "INSERT INTO recent (key, until) VALUES (:key, :now + :apart) ON CONFLICT (key) DO UPDATE SET"  # noqa: S608 - no input
    f" until = {_BEGIN} + :apart WHERE {_BEGIN} + :apart - :now <= :per RETURNING until"
)
_STORE_MARK = text(
    "INSERT INTO recent (key, until, digest, event_id) VALUES (:key, :until, :digest, :event_id) ON"
    " CONFLICT (key) DO UPDATE SET until = excluded.until, digest = excluded.digest, event_id ="
    " excluded.event_id WHERE recent.until <= :now RETURNING key"
)
_SWEEP = {
    "sqlite": text(
        "DELETE FROM recent WHERE key IN (SELECT key FROM recent WHERE until < :now LIMIT :most)"
    ),
    "postgresql": text(
        "DELETE FROM recent WHERE key IN (SELECT key FROM recent WHERE until < :now LIMIT :most FOR"
        " UPDATE SKIP LOCKED)"
    ),
}


def add(
    database: Database,
    submission: Event,
    deliveries: Sequence[Delivery],
    marks: SubmissionMarks,
    replan: Replan,
) -> AddedEvent:
    """Store a submission with its deliveries, or count it as a repeat.

    A repeat of a submission marked as spam, which is not spam itself, releases it: the deliveries
    are then those of the known event. Raises `Refused` and stores nothing: 429 over a rate, 409 if
    a token or solution was used before with other fields, 507 if its files or the bytes of the day
    exceed the limits of the source, or the share of its network or of spam.
    """

    def work(connection: Connection) -> AddedEvent:
        added = _add(connection, submission, deliveries, marks, replan)
        # last: it must not wait for a lock while it holds rows that others wait for
        delete_expired(connection, marks.now, SWEEP_ROWS)
        return added

    return database.write(work)


def count_repeat(database: Database, marks: SubmissionMarks) -> AddedEvent | None:
    """Count a submission that repeats one not marked as spam; return None for any other."""
    same_event = recent.c.event_id == event.c.id
    query = (
        select(event.c.id)
        .join(recent, same_event)
        .where(recent.c.key.in_([mark.key for mark in marks.once]), recent.c.until > marks.now)
    )
    with database.read() as connection:
        event_id = connection.execute(
            query.where(recent.c.digest == marks.digest, event.c.spam.is_(None)).limit(1)
        ).scalar()
    if event_id is None:
        return None

    def count(connection: Connection) -> Event | None:
        _apply_limits(connection, marks)
        return _count_duplicate(connection, event_id)

    return AddedEvent(event_id, (), duplicate=True) if database.write(count) is not None else None


def _add(
    connection: Connection,
    submission: Event,
    deliveries: Sequence[Delivery],
    marks: SubmissionMarks,
    replan: Replan,
) -> AddedEvent:
    _apply_limits(connection, marks)
    repeats = _store_marks(connection, marks, submission.id)
    if repeats is not None and (stored := _count_duplicate(connection, repeats)) is not None:
        connection.execute(
            update(recent)
            .where(_mark_rows(marks), recent.c.event_id == submission.id)
            .values(event_id=repeats)
        )
        return AddedEvent(
            repeats, _release_spam(connection, stored, submission, replan), duplicate=True
        )
    if repeats is not None:  # the event was deleted: this one replaces it
        connection.execute(update(recent).where(_mark_rows(marks)).values(event_id=submission.id))
    duplicates.lock_arrivals(connection, [((submission, deliveries), replan)])
    if events.add_one(connection, (submission, deliveries)):
        _take_room(connection, submission, marks)
        return AddedEvent(submission.id, tuple(deliveries))
    added = duplicates.add_duplicate(connection, submission, replan)
    if added is None:
        raise StoreError("the event that this request repeats was just deleted")
    connection.execute(update(recent).where(_mark_rows(marks)).values(event_id=added.event_id))
    return added


def _take_room(connection: Connection, submission: Event, marks: SubmissionMarks) -> None:
    """Count the bytes of a new submission. Raises `Refused` if there is no room for them."""
    source = submission.source
    files = form_files.size_of(submission.files)
    body = len(submission.body)
    is_spam = submission.spam is not None
    if submission.files:
        max_bytes = None if marks.room is None else limit_of(marks.room, is_spam=is_spam)
        form_files.add_bytes(connection, source, files, max_bytes)
    if marks.daily_bytes is not None:
        most_today = limit_of(marks.daily_bytes, is_spam=is_spam)
        daily_bytes.add_bytes(connection, source, body, most_today, marks.now)
    if marks.network is None:
        return
    stored, stored_today = network_bytes.add_bytes(
        connection, source, marks.network, files, body, marks.now
    )
    if submission.files and is_share_used(marks.room, stored):
        raise files_full()
    if is_share_used(marks.daily_bytes, stored_today):
        raise daily_bytes_full(marks.now)
    if submission.files:
        counted = update(event).where(event.c.id == submission.id).values(network=marks.network)
        connection.execute(counted)


def _apply_limits(connection: Connection, marks: SubmissionMarks) -> None:
    for limit in marks.limits:
        apart = limit.rate.per / limit.rate.count
        values = {
            "key": limit.key,
            "now": marks.now,
            "apart": apart,
            "per": limit.rate.per + ROUNDING_SECONDS,
            "drift": MIN_STEP_SECONDS,
        }
        if connection.execute(_ADMIT, values).first() is None:
            empty_at = connection.execute(
                select(recent.c.until).where(recent.c.key == limit.key)
            ).scalar_one()
            wait = int(empty_at + apart - marks.now - limit.rate.per) + 1
            raise Refused(429, "too_many", "too many requests", headers={"Retry-After": str(wait)})


def _store_marks(connection: Connection, marks: SubmissionMarks, event_id: str) -> str | None:
    """Store the deduplication keys, and return the event that has one of them already."""
    repeats = None
    for mark in marks.once:
        values = {
            "key": mark.key,
            "until": mark.until,
            "digest": marks.digest,
            "event_id": event_id,
            "now": marks.now,
        }
        if connection.execute(_STORE_MARK, values).first() is not None:
            continue
        earlier = connection.execute(
            select(recent.c.digest, recent.c.event_id).where(recent.c.key == mark.key)
        ).one()
        if earlier.digest != marks.digest:
            raise Refused(
                409,
                "used_before",
                "this form was already sent with other values: reload its page to send it again",
            )
        repeats = repeats or earlier.event_id
    return repeats


def _mark_rows(marks: SubmissionMarks) -> Any:
    return recent.c.key.in_([mark.key for mark in marks.once])


def _count_duplicate(connection: Connection, event_id: str) -> Event | None:
    """Count a duplicate of an event and return the event; None if it was deleted."""
    counting = update(event).where(event.c.id == event_id).values(duplicates=event.c.duplicates + 1)
    if not connection.execute(counting).rowcount:
        return None
    return to_event(
        connection.execute(select(event).where(event.c.id == event_id)).one(), sealer_of(connection)
    )


def _release_spam(
    connection: Connection, stored: Event, repeat: Event, replan: Replan
) -> tuple[Delivery, ...]:
    """Plan an event marked as spam when the same submission arrives again and is not spam.

    For example, if its captcha was required too late.
    """
    if repeat.spam is not None or stored.spam in (None, MARKED_BY_PERSON):
        return ()
    connection.execute(update(event).where(event.c.id == stored.id).values(spam=None))
    planned = replan(replace(stored, spam=None), f"again {stored.duplicates}")
    lock_order.lock(connection, planned=planned)
    if planned:
        connection.execute(
            insert(delivery),
            [delivery_again_row(new_delivery, sealer_of(connection)) for new_delivery in planned],
        )
    return tuple(planned)


def delete_expired(connection: Connection, now: float, max_rows: int = SWEEP_BATCH_ROWS) -> int:
    """Delete expired rows, and return how many."""
    return connection.execute(
        _SWEEP[connection.dialect.name], {"now": now, "most": max_rows}
    ).rowcount


def has_rows(connection: Connection) -> bool:
    """Return whether there are any rows."""
    return connection.execute(select(recent.c.key).limit(1)).first() is not None
