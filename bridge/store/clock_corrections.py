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
from bridge.delivery.circuit_breaker import (
    ALLOWANCE_RAISE_MAX_SECONDS,
    PROBE_SECONDS,
    UNAUTHORIZED_MAX_SECONDS,
)
from bridge.delivery.retry import RETRY_AFTER_MAX_SECONDS
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

    `seconds`: by the timings. `beside`: a column with additional seconds for each row.
    """

    column: Column[float]
    where: TextClause | None
    seconds: Callable[[Timings], float]
    beside: Column[float] | None = None

    def latest(self, now: float, timings: Timings) -> float:
        """Return the latest time that a row without additional seconds may have."""
        return now + self.seconds(timings) + MIN_STEP_SECONDS

    def exceeded(self, now: float, timings: Timings) -> ColumnElement[bool]:
        """Return the condition for rows beyond the limit now."""
        return self.exceeds(self.latest(now, timings))

    def exceeds(self, latest: float | BindParameter[float]) -> ColumnElement[bool]:
        """Return the condition for rows later than that; its first part can use the index."""
        beyond = (
            self.column > latest
            if self.beside is None
            else (self.column > latest) & (self.column > latest + self.beside)
        )
        return beyond if self.where is None else self.where & beyond


#: The limits of all times that do not depend on the routes.
FUTURE_LIMITS: Final = (
    FutureLimit(delivery.c.lease_until, SENDING, lambda timings: timings.lease_seconds),
    FutureLimit(local_run.c.lease_until, HELD, lambda timings: timings.lease_seconds),
    FutureLimit(delivery.c.delivered_at, IN_FLIGHT, lambda _: 0.0),
    FutureLimit(
        delivery.c.poll_at,
        POLLED,
        lambda timings: timings.reconcile_max_seconds,
        delivery.c.run_timeout,
    ),
    FutureLimit(
        circuit.c.open_until,
        text("circuit.failures > 0"),
        lambda timings: timings.circuit_open_max_seconds * JITTER_FACTOR,
    ),
    FutureLimit(
        circuit.c.open_until,
        text("circuit.failures = 0"),
        lambda _: UNAUTHORIZED_MAX_SECONDS * JITTER_FACTOR,
    ),
    FutureLimit(circuit.c.probe_until, None, lambda _: PROBE_SECONDS),
    FutureLimit(circuit.c.raise_at, None, lambda _: ALLOWANCE_RAISE_MAX_SECONDS * JITTER_FACTOR),
    FutureLimit(circuit.c.not_before, None, lambda _: RETRY_AFTER_MAX_SECONDS),
)

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
                exists().where(each.exceeds(bindparam(f"latest_{number}", type_=Float)))
                for number, each in enumerate(FUTURE_LIMITS)
            )
        )
    )
)


def has_future_times(connection: Connection, now: float) -> bool:
    """Return whether any time lies further ahead than its limit."""
    timings = timings_of(connection)
    latest = {
        f"latest_{number}": each.latest(now, timings) for number, each in enumerate(FUTURE_LIMITS)
    }
    return _is_planned_ahead(connection, now) or bool(_HAS_FUTURE.value(connection, **latest))


def _is_planned_ahead(connection: Connection, now: float) -> bool:
    """Return whether one of the newest deliveries was planned later than now.

    That is the case if a receiver's clock is ahead of the database's.
    """
    return (_LATEST_PLANNED.value(connection) or 0.0) > now + MIN_STEP_SECONDS


def clamp_future_times(connection: Connection, now: float, *, check_all: bool) -> None:
    """Set times that lie beyond their limit to the limit: an early or repeated check does no harm.

    Deliveries planned later than now are planned now, with the same delay as before. Without
    `check_all` that is done only if one of the newest was: no index finds them, and to read all
    deliveries would hold up those who write.
    """
    if check_all or _is_planned_ahead(connection, now):
        by = delivery.c.created_at - now
        planned = {
            "created_at": now,
            "due_at": delivery.c.due_at - by,
            "debounce_until": delivery.c.debounce_until - by,
        }
        connection.execute(
            update(delivery)
            .where(WAITING, delivery.c.created_at > now + MIN_STEP_SECONDS)
            .values(planned)
        )
    timings = timings_of(connection)
    for each in FUTURE_LIMITS:
        at = now + each.seconds(timings) if each.beside is None else now
        connection.execute(
            update(each.column.table)
            .where(each.exceeded(now, timings))
            .values({each.column.name: at})
        )


def shift_times_back(connection: Connection, now: float, step: float) -> None:
    """Move times back that a clock chose which is now behind by `-step` seconds.

    What was due by that clock is due now. A delivery that was planned, and last tried, before the
    present time was delayed by a correct clock: `delay`, `debounce`, a long `retry.max` and
    Retry-After stay.
    """
    was = now - step
    of_it = attempt.c.delivery_id == delivery.c.id
    tried = delivery.c.attempts + delivery.c.throttled > 0
    tried_ahead = exists().where(
        of_it, (attempt.c.started_at > now) | (attempt.c.finished_at > now)
    )
    # by a user, or by the previous delivery of its ordering key
    released = (tried | delivery.c.order_key.isnot(None)) & (delivery.c.due_at <= was)
    too_long = tried & (delivery.c.due_at > now + delivery.c.retry_max + RETRY_AFTER_MAX_SECONDS)
    by_that_clock = (delivery.c.created_at > now) | tried_ahead | released | too_long
    shifted = {
        each.name: _shifted(each, now, step)
        for each in (delivery.c.due_at, delivery.c.debounce_until, delivery.c.created_at)
    }
    connection.execute(
        update(delivery).where(WAITING, delivery.c.due_at > now, by_that_clock).values(shifted)
    )
    connection.execute(update(delivery).where(SENDING, delivery.c.due_at > now).values(due_at=now))
    connection.execute(
        update(delivery)
        .where(IN_FLIGHT, delivery.c.delivered_at > now)
        .values(delivered_at=_shifted(delivery.c.delivered_at, now, step))
    )
    for each in (
        delivery.c.poll_at,
        circuit.c.open_until,
        circuit.c.probe_until,
        circuit.c.raise_at,
        circuit.c.not_before,
        pace.c.next_at,
    ):
        connection.execute(
            update(each.table).where(each > now).values({each.name: _shifted(each, now, step)})
        )
    connection.execute(update(pace).where(pace.c.day > day_of(now)).values(day=day_of(now)))
    connection.execute(update(worker).where(worker.c.seen_at > now).values(seen_at=now))


def shift_deliveries_forward(connection: Connection, now: float, step: float) -> None:
    """Move the delivery times of runs in flight forward by `step` seconds.

    Otherwise each of them would exceed its `run_timeout`. Deliveries since the step have times of
    the new clock.
    """
    by_old_clock = IN_FLIGHT & (delivery.c.delivered_at <= now - step)
    connection.execute(
        update(delivery).where(by_old_clock).values(delivered_at=delivery.c.delivered_at + step)
    )


def shift_polls_back(connection: Connection, now: float, step: float) -> None:
    """Move poll times that lie ahead back by `-step` seconds."""
    connection.execute(
        update(delivery)
        .where(POLLED, delivery.c.poll_at > now)
        .values(poll_at=_shifted(delivery.c.poll_at, now, step))
    )


def _shifted(column: Column[float], now: float, step: float) -> ColumnElement[float]:
    return case((column + step > now, column + step), (column > now, now), else_=column)
