"""Limits on how far ahead stored times may lie, and corrections after a step of the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Float,
    Integer,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.sql.elements import TextClause

from bridge.core.clock_reading import MIN_STEP_SECONDS
from bridge.core.rate_limits import day_of
from bridge.core.timings import Timings
from bridge.delivery.circuit_breaker import PROBE_SECONDS
from bridge.delivery.platforms.responses import RETRY_AFTER_MAX_SECONDS
from bridge.store.db.database import timings_of
from bridge.store.db.prepared import PreparedStatement
from bridge.store.local.run_rows import HELD
from bridge.store.tables.schema import (
    attempt,
    circuit,
    delivery,
    local_run,
    pace,
    worker,
)

CHECKED_DELIVERIES: Final = 1000  # newest deliveries checked: those of a heartbeat


# A time with random jitter lies at most this many times as far ahead as its limit.
JITTER_FACTOR: Final = 1.25


# Written as text: a partial index is used only if its exact condition is in the statement.
SENDING = text("delivery.status = 'sending'")


POLLED = text("delivery.poll_at IS NOT NULL")


WAITING = text("delivery.status IN ('queued', 'blocked')")


IN_FLIGHT = text("delivery.slot AND delivery.status = 'delivered'")


@dataclass(frozen=True, slots=True)
class FutureLimit:
    """The limit on how far ahead of now the times of a column may lie.

    `seconds`: by the timings. `interval`: the additional seconds of each row. A time beyond the
    limit is set to the limit, or to now where that `is_repeatable`: an early poll does no harm.
    """

    column: Column[float]
    where: TextClause | None = None
    seconds: Callable[[Timings], float] = lambda _: 0.0
    interval: ColumnElement[float] | None = None
    is_repeatable: bool = False

    def latest(self, now: float, timings: Timings) -> float:
        """Return the latest time that a row without an interval may have."""
        return now + self.seconds(timings) + MIN_STEP_SECONDS

    def exceeded(self, now: float, timings: Timings) -> ColumnElement[bool]:
        """Return the condition for rows beyond the limit now."""
        return self.exceeds(self.latest(now, timings))

    def exceeds(self, latest: float | BindParameter[float]) -> ColumnElement[bool]:
        """Return the condition for rows later than that; its first part can use the index."""
        beyond = (
            self.column > latest
            if self.interval is None
            else (self.column > latest) & (self.column > latest + self.interval)
        )
        return beyond if self.where is None else self.where & beyond

    def limited(self, now: float, timings: Timings) -> float | ColumnElement[float]:
        """Return the time for a row that exceeds the limit."""
        if self.is_repeatable:
            return now
        limit = now + self.seconds(timings)
        return limit if self.interval is None else limit + self.interval


#: The limits of all stored times that put off a call or a run, apart from those of deliveries that
#: wait: see `clamp_future_times` and `shift_times_back`.
FUTURE_LIMITS: Final = (
    FutureLimit(delivery.c.lease_until, SENDING, lambda timings: timings.lease_seconds),
    FutureLimit(local_run.c.lease_until, HELD, lambda timings: timings.lease_seconds),
    FutureLimit(delivery.c.delivered_at, IN_FLIGHT),
    FutureLimit(
        delivery.c.poll_at,
        POLLED,
        lambda timings: timings.reconcile_max_seconds,
        interval=delivery.c.run_timeout,
        is_repeatable=True,
    ),
    FutureLimit(circuit.c.open_until, interval=circuit.c.open_for * JITTER_FACTOR),
    FutureLimit(circuit.c.probe_until, seconds=lambda _: PROBE_SECONDS),
    FutureLimit(circuit.c.raise_at, interval=circuit.c.raise_for * JITTER_FACTOR),
    FutureLimit(circuit.c.not_before, interval=circuit.c.retry_after),
    FutureLimit(pace.c.next_at, interval=pace.c.start_interval),
    FutureLimit(worker.c.seen_at),
)
_DAYS_AHEAD: Final = pace.c.day > bindparam("today", type_=Integer)

_NEWEST = (
    select(delivery.c.created_at, delivery.c.status)
    .order_by(delivery.c.seq.desc())
    .limit(CHECKED_DELIVERIES)
    .subquery()
)
_LATEST_PLANNED = PreparedStatement(
    select(func.max(_NEWEST.c.created_at)).where(text("status IN ('queued', 'blocked')"))
)
_HAS_FUTURE = PreparedStatement(
    select(
        or_(
            *(
                exists().where(limit.exceeds(bindparam(f"latest_{number}", type_=Float)))
                for number, limit in enumerate(FUTURE_LIMITS)
            ),
            exists().where(_DAYS_AHEAD),
        )
    )
)


def has_future_times(connection: Connection, now: float) -> bool:
    """Return whether any time lies further ahead than its limit."""
    timings = timings_of(connection)
    latest = {
        f"latest_{number}": limit.latest(now, timings) for number, limit in enumerate(FUTURE_LIMITS)
    }
    return _is_planned_ahead(connection, now) or bool(
        _HAS_FUTURE.value(connection, today=_latest_day(now), **latest)
    )


def _is_planned_ahead(connection: Connection, now: float) -> bool:
    """Return whether one of the newest deliveries was planned later than now.

    That is the case if a receiver's clock is ahead of the database's.
    """
    return (_LATEST_PLANNED.value(connection) or 0.0) > now + MIN_STEP_SECONDS


def _latest_day(now: float) -> int:
    """Return the latest day on which a right clock may have counted starts."""
    return day_of(now + MIN_STEP_SECONDS)


def clamp_future_times(connection: Connection, now: float, *, check_all: bool) -> int:
    """Limit times that lie beyond their limit, and return how many.

    Each limit is the interval that the time was made of, so a repeated check does no harm, whoever
    stored the time, by whichever clock. Starts that were counted for a later day count for today.

    Deliveries planned later than now are planned now, with the same delay as before. Without
    `check_all` that is done only if one of the newest was: no index finds them, and to read all
    deliveries would hold up those who write.
    """
    count = 0
    if check_all or _is_planned_ahead(connection, now):
        by = delivery.c.created_at - now
        planned = {
            "created_at": now,
            "due_at": delivery.c.due_at - by,
            "debounce_until": delivery.c.debounce_until - by,
        }
        count += connection.execute(
            update(delivery)
            .where(WAITING, delivery.c.created_at > now + MIN_STEP_SECONDS)
            .values(planned)
        ).rowcount
    timings = timings_of(connection)
    for limit in FUTURE_LIMITS:
        count += connection.execute(
            update(limit.column.table)
            .where(limit.exceeded(now, timings))
            .values({limit.column.name: limit.limited(now, timings)})
        ).rowcount
    count += connection.execute(
        update(pace).where(_DAYS_AHEAD).values(day=day_of(now)), {"today": _latest_day(now)}
    ).rowcount
    return count


def shift_times_back(
    connection: Connection, now: float, step: float, since: float | None = None
) -> None:
    """Move times of deliveries back that a clock chose which is now behind by `-step` seconds.

    `since`: by that clock, when another worker did the same; by default now, for all of them.

    What was due by that clock is due now. A delivery that was planned, and last tried, before the
    present time was delayed by a correct clock: `delay`, `debounce`, a long `retry.max` and
    Retry-After stay.
    """
    was = now - step
    since = now if since is None else since
    of_it = attempt.c.delivery_id == delivery.c.id
    tried = delivery.c.attempts + delivery.c.throttled > 0
    tried_ahead = exists().where(
        of_it, (attempt.c.started_at > since) | (attempt.c.finished_at > since)
    )
    # by a user, or by the previous delivery of its ordering key
    released = (tried | delivery.c.order_key.isnot(None)) & delivery.c.due_at.between(since, was)
    too_long = tried & (delivery.c.due_at > now + delivery.c.retry_max + RETRY_AFTER_MAX_SECONDS)
    by_that_clock = (delivery.c.created_at > since) | tried_ahead | released | too_long
    shifted = {
        column.name: _shifted(column, now, step)
        for column in (delivery.c.due_at, delivery.c.debounce_until, delivery.c.created_at)
    }
    connection.execute(
        update(delivery).where(WAITING, delivery.c.due_at > now, by_that_clock).values(shifted)
    )
    connection.execute(update(delivery).where(SENDING, delivery.c.due_at > now).values(due_at=now))
    connection.execute(
        update(delivery)
        .where(IN_FLIGHT, delivery.c.delivered_at > since)
        .values(delivered_at=_shifted(delivery.c.delivered_at, now, step))
    )
    connection.execute(
        update(delivery)
        .where(POLLED, delivery.c.poll_at > now)
        .values(poll_at=_shifted(delivery.c.poll_at, now, step))
    )


def shift_times_forward(connection: Connection, now: float, step: float) -> None:
    """Move the delivery times of runs in flight forward by `step` seconds, and the days of starts.

    Otherwise each of these runs would exceed its `run_timeout`, and the starts of today would no
    longer count. Deliveries since the step have times of the new clock.
    """
    connection.execute(update(pace).where(pace.c.day == day_of(now - step)).values(day=day_of(now)))
    by_old_clock = IN_FLIGHT & (delivery.c.delivered_at <= now - step)
    connection.execute(
        update(delivery).where(by_old_clock).values(delivered_at=delivery.c.delivered_at + step)
    )


def _shifted(column: Column[float], now: float, step: float) -> ColumnElement[float]:
    return case((column + step > now, column + step), (column > now, now), else_=column)
