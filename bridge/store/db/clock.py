"""The time that leases go by: the database's, so that machines whose clocks differ agree on when
one has run out.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from bridge.core.clock_reading import STEP_SECONDS, ClockReading
from bridge.store.db.database import Database
from bridge.system.logs import get_logger

log = get_logger()

WORTH_SAYING = 2.0  # seconds
# an answer that took longer, in seconds, is asked for again: half of that is what is not known
QUICK_ANSWER_SECONDS = 0.1
MAX_READINGS = 3
# goes on while a machine sleeps, where there is such a clock
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")


class Clock:
    """Gives the database's time as it was when `set` was called last, carried on by a clock that
    nobody steps.

    Where this machine's own is stepped meanwhile, an intent would be dated by twice the step, and
    its run be looked for at another time. Before `set`, and on SQLite, where all go by the same
    clock, it is this machine's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # the database's time when the clock that nobody steps began
        self._begun: float | None = None
        # the same, of the clock that is gone by, when it was looked at last
        self._seen: float | None = None
        self._said = 0.0
        # seconds by which the clock was stepped forward, until somebody sets it to 0
        self.step = 0.0

    def __call__(self) -> float:
        """Return the time: seconds since 1970."""
        return time.time() if self._begun is None else self._begun + elapsed()

    def set(self) -> None:
        """Look at the database's clock, and add to `step` what it was stepped by; `StoreError`
        where that is not possible.
        """
        begun = (
            _machine_difference()
            if self._database.is_sqlite
            else _measure_difference(self._database, elapsed)
        )
        if self._seen is not None and abs(begun - self._seen) > STEP_SECONDS:
            self.step += begun - self._seen
        self._seen = begun
        if self._database.is_sqlite:
            return
        self._begun = begun
        off = self() - time.time()
        if abs(off - self._said) > WORTH_SAYING:
            self._said = off
            log.warning("clocks_differ", database_ahead=round(off, 3))

    def read(self) -> ClockReading:
        """Read all clocks at one moment."""
        difference = _machine_difference() if self._begun is None else self._begun
        boot_clock = elapsed()
        return replace(machine_reading(), at=difference + boot_clock, boot_clock=boot_clock)


def elapsed() -> float:
    """Return the seconds on the clock that nobody steps: since this machine booted, where there is
    such a clock.
    """
    return time.clock_gettime(_BOOT_CLOCK)


def _machine_difference() -> float:
    """Return how far this machine's wall clock is ahead of its boot clock; asked again where the
    process stood still in between.
    """
    quickest = float("inf")
    difference = 0.0
    for _ in range(MAX_READINGS):
        before = elapsed()
        wall = time.time()
        if (took := elapsed() - before) < quickest:
            quickest = took
            difference = wall - before - took / 2
        if quickest < QUICK_ANSWER_SECONDS:
            break
    return difference


@cache
def machine_reading() -> ClockReading:
    """Return a reading that names this boot of this host. Without a boot id no reading can be
    compared with one of another process.
    """
    boot_id = None
    with suppress(OSError):
        boot_id = BOOT_ID_FILE.read_text().strip() or None
    return ClockReading(at=0.0, boot_id=boot_id, host=socket.gethostname())


def ahead(database: Database) -> float:
    """Return how many seconds the database's clock is ahead of this machine's, to within the time
    that the question takes.
    """
    return _measure_difference(database, time.time)


def _measure_difference(database: Database, mine: Callable[[], float]) -> float:
    with database.read() as connection:
        connection.exec_driver_sql("SELECT 1")  # connected by now, and the transaction begun
        quickest = float("inf")
        difference = 0.0
        for _ in range(MAX_READINGS):
            before = mine()
            theirs: float = connection.exec_driver_sql(
                "SELECT extract(epoch FROM clock_timestamp())::double precision"
            ).scalar_one()
            after = mine()
            if after - before < quickest:
                quickest = after - before
                difference = theirs - (before + after) / 2
            if quickest < QUICK_ANSWER_SECONDS:
                break
        return difference
