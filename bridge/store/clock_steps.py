"""Steps of the clock by which the store goes: a worker notes each one once, and pulls back what a
clock that was ahead put off.

The one row of `store_clock` says what the clocks showed lately. A worker of the same boot compares
its own reading with it and knows the step, also one that was made while no worker ran. A worker of
another boot or host sees only that time went back, or that no worker was there for long; what its
own clock was stepped by while it ran it knows from `Clock.step`.

After a step no lease is taken over for as long as a lease lasts: the workers that are alive have
extended theirs by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    case,
    exists,
    func,
    select,
    text,
    update,
)
from sqlalchemy.sql.elements import TextClause

from bridge.core.clock_reading import STEP_SECONDS, ClockReading, passed
from bridge.core.rate_limits import day_of
from bridge.core.status import ClockStep
from bridge.core.timings import Timings
from bridge.delivery.circuit_breaker import PROBE, RAISE_MAX, UNAUTHORIZED_MAX
from bridge.delivery.retry import RETRY_AFTER_MAX
from bridge.store.db.clock import Clock
from bridge.store.db.database import Database, timings_of
from bridge.store.local import runs
from bridge.store.tables.schema import (
    attempt,
    circuit,
    delivery,
    local_run,
    pace,
    store_clock,
    worker,
)
from bridge.system.logs import get_logger

log = get_logger()

NEWEST: Final = 1000  # deliveries that are looked at for times that lie ahead: those of a heartbeat
REFRESH_SECONDS: Final = 60.0  # after which the row is written again though there was no step
# a time that is chosen by chance is at most so many times as far ahead as its limit
SPREAD: Final = 1.25
# Written out, since an index on some rows is only used where its very condition stands in the
# statement.
SENDING = text("delivery.status = 'sending'")
POLLED = text("delivery.poll_at IS NOT NULL")
WAITING = text("delivery.status IN ('queued', 'blocked')")
IN_FLIGHT = text("delivery.slot AND delivery.status = 'delivered'")


@dataclass(frozen=True, slots=True)
class Limit:
    """How far ahead of now the times of a column may lie, in seconds; `beside`: a column with more
    of them.
    """

    column: Column[float]
    where: TextClause | None
    seconds: float
    beside: Column[float] | None = None

    def exceeds(self, now: float) -> ColumnElement[bool]:
        """Return the condition for rows that lie further ahead. Its first part is for the index."""
        most = now + self.seconds + STEP_SECONDS
        beyond = (
            self.column > most
            if self.beside is None
            else (self.column > most) & (self.column > most + self.beside)
        )
        return beyond if self.where is None else self.where & beyond


def follow(database: Database, clock: Clock) -> None:
    """Compare the clock with what the store knows of it, before a heartbeat, and put right what a
    step has left behind.
    """
    clocks = clock.read()
    with database.read() as connection:
        is_news = _Comparison.of(connection, clocks, clock.step).is_news or lies_ahead(
            connection, clocks.at
        )
    step = (
        database.write(lambda connection: _note(connection, clocks, clock.step)) if is_news else 0.0
    )
    clock.step = 0.0
    if step:
        log.warning("clock_stepped", seconds=round(step, 3))


def is_settled(connection: Connection, now: float) -> bool:
    """Tell whether a lease that has run out was given up: the last step of the clock is longer ago
    than a lease lasts.
    """
    known = _known(connection)
    return (
        known is None
        or known.stepped_at is None
        or abs(now - known.stepped_at) > timings_of(connection).lease_seconds
    )


def latest(connection: Connection) -> ClockStep | None:
    """Return the last step of the clock, null where there was none."""
    known = _known(connection)
    return (
        None
        if known is None or not known.step
        else ClockStep(at=known.stepped_at, seconds=known.step)
    )


def _known(connection: Connection, *, lock: bool = False) -> Row[Any] | None:
    query = select(store_clock)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


# -- what a reading says beside the row


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    """What a reading says. `step`: seconds forward, 0 for none, null where nobody was there to see.
    `is_news`: it is to be stored.
    """

    step: float | None = 0.0
    is_news: bool = False

    @classmethod
    def of(
        cls, connection: Connection, clocks: ClockReading, own: float, *, lock: bool = False
    ) -> _Comparison:
        """Compare a reading with the row. `own`: seconds by which the reader saw its own clock
        stepped.
        """
        known = _known(connection, lock=lock)
        if known is None:
            return cls(step=own, is_news=True)
        before = ClockReading(
            at=known.at, boot_clock=known.boot_clock, boot_id=known.boot_id, host=known.host
        )
        if (between := passed(before, clocks)) is not None:
            step = between.step if abs(between.step) > STEP_SECONDS else 0.0
            return cls(step=step, is_news=bool(step or own) or between.seconds > REFRESH_SECONDS)
        # same: read before the row was
        return (
            cls() if before.is_same_boot(clocks) else cls._elsewhere(connection, known, clocks, own)
        )

    @classmethod
    def _elsewhere(
        cls, connection: Connection, known: Row[Any], clocks: ClockReading, own: float
    ) -> _Comparison:
        """Compare a reading with a row of another boot or host."""
        lease = timings_of(connection).lease_seconds
        if own and not _is_noted(known, clocks, own, lease):
            return cls(step=own, is_news=True)
        seen_at = max(
            known.at, connection.execute(select(func.max(worker.c.seen_at))).scalar() or 0.0
        )
        if clocks.at < seen_at - STEP_SECONDS and not _is_noted(
            known, clocks, clocks.at - seen_at, lease
        ):
            return cls(step=clocks.at - seen_at, is_news=True)
        if clocks.at > seen_at + lease:
            return cls(step=None, is_news=True)
        return cls(is_news=bool(own) or clocks.at > known.at + 2 * REFRESH_SECONDS)


def _is_noted(known: Row[Any], clocks: ClockReading, step: float, lease: float) -> bool:
    """Tell whether another worker has noted this very step."""
    recent = known.stepped_at is not None and abs(clocks.at - known.stepped_at) <= lease
    return recent and known.step is not None and abs(known.step - step) <= lease


def _note(connection: Connection, clocks: ClockReading, own: float) -> float:
    """Store a reading, pull back what lies too far ahead, and return the step."""
    found = _Comparison.of(connection, clocks, own, lock=True)
    now = clocks.at
    values: dict[str, Any] = {
        "at": now,
        "boot_clock": clocks.boot_clock,
        "boot_id": clocks.boot_id,
        "host": clocks.host,
    }
    if found.step != 0.0:
        values |= {"step": found.step, "stepped_at": now}
    if found.is_news and not connection.execute(update(store_clock).values(values)).rowcount:
        connection.execute(_insert_once(connection).values(id=1, **values).on_conflict_do_nothing())
    step = found.step or 0.0
    # else every run in flight is beyond its `run_timeout`; what was delivered since the step has
    # the time after it
    if step > 0:
        by_old_clock = IN_FLIGHT & (delivery.c.delivered_at <= now - step)
        connection.execute(
            update(delivery).where(by_old_clock).values(delivered_at=delivery.c.delivered_at + step)
        )
    if step < 0:
        _pull_back(connection, now, step)
    elif own < 0:
        # another worker has noted the step; what this one wrote until now has the time before it
        connection.execute(
            update(delivery)
            .where(POLLED, delivery.c.poll_at > now)
            .values(poll_at=_earlier(delivery.c.poll_at, now, own))
        )
    _pull_in(connection, now)
    return step


def _insert_once(connection: Connection) -> Any:
    return runs.insert_of(connection.dialect.name)(store_clock)


# -- what lies ahead


def limits(timings: Timings) -> tuple[Limit, ...]:
    """Return how far ahead things may lie, whatever the routes say."""
    return (
        Limit(delivery.c.lease_until, SENDING, timings.lease_seconds),
        Limit(local_run.c.lease_until, runs.HELD, timings.lease_seconds),
        Limit(delivery.c.delivered_at, IN_FLIGHT, 0.0),
        Limit(delivery.c.poll_at, POLLED, timings.reconcile_max_seconds, delivery.c.run_timeout),
        Limit(
            circuit.c.open_until,
            text("circuit.failures > 0"),
            timings.circuit_open_max_seconds * SPREAD,
        ),
        Limit(circuit.c.open_until, text("circuit.failures = 0"), UNAUTHORIZED_MAX * SPREAD),
        Limit(circuit.c.probe_until, None, PROBE),
        Limit(circuit.c.raise_at, None, RAISE_MAX * SPREAD),
        Limit(circuit.c.not_before, None, RETRY_AFTER_MAX),
    )


def lies_ahead(connection: Connection, now: float) -> bool:
    """Tell whether anything lies further ahead than it ever may."""
    beyond = (
        connection.execute(select(exists().where(each.exceeds(now)))).scalar()
        for each in limits(timings_of(connection))
    )
    return _is_planned_ahead(connection, now) or any(beyond)


def _is_planned_ahead(connection: Connection, now: float) -> bool:
    """Tell whether one of the newest deliveries was planned later than now: by a receiver whose own
    clock is ahead of the database's.
    """
    newest = (
        select(delivery.c.created_at, delivery.c.status)
        .order_by(delivery.c.seq.desc())
        .limit(NEWEST)
        .subquery()
    )
    latest = select(func.max(newest.c.created_at)).where(newest.c.status.in_(("queued", "blocked")))
    return (connection.execute(latest).scalar() or 0.0) > now + STEP_SECONDS


def _pull_in(connection: Connection, now: float) -> None:
    """Put what lies further ahead than it ever may at its limit: what is looked at early, or again,
    does no harm.

    What was planned later than now was planned now, and is put off for as long as before.
    """
    by = delivery.c.created_at - now
    planned = {
        "created_at": now,
        "due_at": delivery.c.due_at - by,
        "debounce_until": delivery.c.debounce_until - by,
    }
    connection.execute(
        update(delivery).where(WAITING, delivery.c.created_at > now + STEP_SECONDS).values(planned)
    )
    for each in limits(timings_of(connection)):
        at = now + each.seconds if each.beside is None else now
        connection.execute(
            update(each.column.table).where(each.exceeds(now)).values({each.column.name: at})
        )


def _pull_back(connection: Connection, now: float, step: float) -> None:
    """Pull times back that were chosen by a clock which is now behind by `-step` seconds; what was
    due by it is due now.

    A delivery that was planned, and was last tried, before the present time was put off by a right
    clock: `delay`, `debounce`, a long `retry.max` and Retry-After stay.
    """
    was = now - step
    of_it = attempt.c.delivery_id == delivery.c.id
    tried = delivery.c.attempts + delivery.c.throttled > 0
    tried_ahead = exists().where(
        of_it, (attempt.c.started_at > now) | (attempt.c.finished_at > now)
    )
    # by a person, or by the one before it in line
    released = (tried | delivery.c.order_key.isnot(None)) & (delivery.c.due_at <= was)
    too_long = tried & (delivery.c.due_at > now + delivery.c.retry_max + RETRY_AFTER_MAX)
    by_that_clock = (delivery.c.created_at > now) | tried_ahead | released | too_long
    shifted = {
        each.name: _earlier(each, now, step)
        for each in (delivery.c.due_at, delivery.c.debounce_until, delivery.c.created_at)
    }
    connection.execute(
        update(delivery).where(WAITING, delivery.c.due_at > now, by_that_clock).values(shifted)
    )
    connection.execute(update(delivery).where(SENDING, delivery.c.due_at > now).values(due_at=now))
    connection.execute(
        update(delivery)
        .where(IN_FLIGHT, delivery.c.delivered_at > now)
        .values(delivered_at=_earlier(delivery.c.delivered_at, now, step))
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
            update(each.table).where(each > now).values({each.name: _earlier(each, now, step)})
        )
    connection.execute(update(pace).where(pace.c.day > day_of(now)).values(day=day_of(now)))
    connection.execute(update(worker).where(worker.c.seen_at > now).values(seen_at=now))


def _earlier(column: Column[float], now: float, step: float) -> ColumnElement[float]:
    return case((column + step > now, column + step), (column > now, now), else_=column)
