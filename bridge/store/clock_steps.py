"""Detection of clock steps: one worker records each step and corrects the stored times.

The single row of `store_clock` has the latest readings of the clocks. A worker of the same boot
compares its own reading with it and knows the step, even one that was made while no worker ran. A
worker of another boot or host can only see that time went back, or that no worker ran for long;
steps of its own clock while it ran are in `DatabaseClock.step`.

After a step, no worker takes over a lease for the duration of a lease: by then, running workers
have extended theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Row,
    func,
    select,
    update,
)

from bridge.core.clock_reading import MIN_STEP_SECONDS, ClockReading, compare_readings
from bridge.core.status import ClockStep
from bridge.store.clock_corrections import (
    clamp_future_times,
    has_future_times,
    shift_times_back,
    shift_times_forward,
)
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database, timings_of
from bridge.store.db.upsert import dialect_insert
from bridge.store.tables.schema import (
    store_clock,
    worker,
)
from bridge.system.logs import get_logger

log = get_logger()

REFRESH_SECONDS: Final = 60.0  # between two writes of the row without a step


def correct_clock_steps(database: Database, clock: DatabaseClock) -> None:
    """Compare the clock with the stored reading, and correct times after a step."""
    clocks = clock.read()
    with database.read() as connection:
        is_news = _Comparison.of(connection, clocks, clock.step).is_news or has_future_times(
            connection, clocks.at
        )
    step, corrected = (
        database.write(lambda connection: _store_reading(connection, clocks, clock.step))
        if is_news
        else (0.0, 0)
    )
    clock.step = 0.0
    if step:
        log.warning("clock_stepped", seconds=round(step, 3))
    if corrected:
        log.warning("future_times_corrected", count=corrected)


def is_settled(connection: Connection, now: float) -> bool:
    """Return whether the last step of the clock is longer ago than the duration of a lease.

    Only then is an expired lease an abandoned one.
    """
    reading = _stored_reading(connection)
    return (
        reading is None
        or reading.stepped_at is None
        or abs(now - reading.stepped_at) > timings_of(connection).lease_seconds
    )


def last_step(connection: Connection) -> ClockStep | None:
    """Return the last step of the clock; None if there was none."""
    reading = _stored_reading(connection)
    return (
        None
        if reading is None or not reading.step
        else ClockStep(at=reading.stepped_at, seconds=reading.step)
    )


def _stored_reading(connection: Connection, *, lock: bool = False) -> Row[Any] | None:
    query = select(store_clock)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


# -- comparison of a reading with the row


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    """The result of comparing a reading with the stored one.

    `step`: seconds forward, 0 for none, None if unknown because no worker ran. `is_news`: whether
    the reading should be stored. `is_gap`: whether no reading was stored for some time before it.
    """

    step: float | None = 0.0
    is_news: bool = False
    is_gap: bool = False

    @classmethod
    def of(
        cls, connection: Connection, clocks: ClockReading, own: float, *, lock: bool = False
    ) -> _Comparison:
        """Compare a reading with the row. `own`: seconds by which the reader saw its own clock
        stepped.
        """
        reading = _stored_reading(connection, lock=lock)
        if reading is None:
            return cls(step=own, is_news=True, is_gap=True)
        before = ClockReading(
            at=reading.at, boot_clock=reading.boot_clock, boot_id=reading.boot_id, host=reading.host
        )
        if (between := compare_readings(before, clocks)) is not None:
            step = between.step if abs(between.step) > MIN_STEP_SECONDS else 0.0
            return cls(
                step=step,
                is_news=bool(step or own) or between.seconds > REFRESH_SECONDS,
                is_gap=between.seconds > 2 * REFRESH_SECONDS,
            )
        # the same boot: this reading is older than the row
        return (
            cls()
            if before.is_same_boot(clocks)
            else cls._elsewhere(connection, reading, clocks, own)
        )

    @classmethod
    def _elsewhere(
        cls, connection: Connection, stored: Row[Any], clocks: ClockReading, own: float
    ) -> _Comparison:
        """Compare a reading with a row of another boot or host."""
        lease = timings_of(connection).lease_seconds
        if own and not _is_noted(stored, clocks, own, lease):
            return cls(step=own, is_news=True)
        seen_at = max(
            stored.at, connection.execute(select(func.max(worker.c.seen_at))).scalar() or 0.0
        )
        if clocks.at < seen_at - MIN_STEP_SECONDS and not _is_noted(
            stored, clocks, clocks.at - seen_at, lease
        ):
            return cls(step=clocks.at - seen_at, is_news=True)
        if clocks.at > seen_at + lease:
            return cls(step=None, is_news=True, is_gap=True)
        is_gap = clocks.at > stored.at + 2 * REFRESH_SECONDS
        return cls(is_news=bool(own) or is_gap, is_gap=is_gap)


def _is_noted(stored: Row[Any], clocks: ClockReading, step: float, lease: float) -> bool:
    """Return whether another worker has recorded the same step."""
    recent = stored.stepped_at is not None and abs(clocks.at - stored.stepped_at) <= lease
    return recent and stored.step is not None and abs(stored.step - step) <= lease


def _store_reading(connection: Connection, clocks: ClockReading, own: float) -> tuple[float, int]:
    """Store a reading, and correct times after a step.

    Return the step, and how many times lay beyond their limits.
    """
    comparison = _Comparison.of(connection, clocks, own, lock=True)
    now = clocks.at
    values: dict[str, Any] = {
        "at": now,
        "boot_clock": clocks.boot_clock,
        "boot_id": clocks.boot_id,
        "host": clocks.host,
    }
    if comparison.step != 0.0:
        values |= {"step": comparison.step, "stepped_at": now}
    if comparison.is_news and not connection.execute(update(store_clock).values(values)).rowcount:
        connection.execute(_insert_once(connection).values(id=1, **values).on_conflict_do_nothing())
    step = comparison.step or 0.0
    if step > 0:
        shift_times_forward(connection, now, step)
    if step < 0:
        shift_times_back(connection, now, step)
    elif own < 0:
        # Another worker has stored the step, but not corrected what this one wrote until now.
        stored = last_step(connection)
        since = now if stored is None else max(now, stored.at - own)
        shift_times_back(connection, now, own, since)
    return step, clamp_future_times(
        connection, now, check_all=comparison.is_gap or bool(step or own)
    )


def _insert_once(connection: Connection) -> Any:
    return dialect_insert(connection.dialect.name)(store_clock)
