"""The database's clock, which decides leases.

Machines with different clocks then agree on when a lease has expired.
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

from bridge.core.clock_reading import MIN_STEP_SECONDS, ClockReading
from bridge.store.db.database import Database
from bridge.system.boot_clock import boot_seconds
from bridge.system.logs import get_logger

log = get_logger()

REPORTED_DIFFERENCE_SECONDS = 2.0  # seconds
# A reading that took longer is repeated: half of its duration is the error.
QUICK_ANSWER_SECONDS = 0.1
MAX_READINGS = 3
BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")


class DatabaseClock:
    """Returns the database's time, as last read by `set` and advanced by the boot clock.

    On SQLite that is the machine's wall clock. The boot clock is never stepped. If the wall clock
    were used and stepped in between, the recorded start of a call would be wrong, and its run would
    be looked for at another time; a step that is taken back before the next `set` would stay in the
    times that were stored meanwhile. Before `set`, this is the machine's wall clock.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # the database's time at second 0 of the boot clock
        self._origin: float | None = None
        self._reported_offset = 0.0
        # seconds by which the clock was stepped forward; the caller resets it to 0
        self.step = 0.0

    def __call__(self) -> float:
        """Return the time in seconds since 1970."""
        return time.time() if self._origin is None else self._origin + boot_seconds()

    def set(self) -> None:
        """Read the database's clock, and add any step to `step`. Raises `StoreError`."""
        origin = (
            _machine_difference()
            if self._database.is_sqlite
            else _measure_difference(self._database, boot_seconds)
        )
        if self._origin is not None and abs(origin - self._origin) > MIN_STEP_SECONDS:
            self.step += origin - self._origin
        self._origin = origin
        off = self() - time.time()
        if abs(off - self._reported_offset) > REPORTED_DIFFERENCE_SECONDS:
            self._reported_offset = off
            log.warning("clocks_differ", database_ahead=round(off, 3))

    def read(self) -> ClockReading:
        """Read all clocks at one moment."""
        difference = _machine_difference() if self._origin is None else self._origin
        boot_clock = boot_seconds()
        return replace(machine_reading(), at=difference + boot_clock, boot_clock=boot_clock)


def _machine_difference() -> float:
    """Return how far this machine's wall clock is ahead of its boot clock.

    Reads again if the process was paused between two readings.
    """
    quickest = float("inf")
    difference = 0.0
    for _ in range(MAX_READINGS):
        before = boot_seconds()
        wall = time.time()
        if (took := boot_seconds() - before) < quickest:
            quickest = took
            difference = wall - before - took / 2
        if quickest < QUICK_ANSWER_SECONDS:
            break
    return difference


@cache
def machine_reading() -> ClockReading:
    """Return a reading that identifies this boot of this host.

    Without a boot id, it cannot be compared with a reading of another process.
    """
    boot_id = None
    with suppress(OSError):
        boot_id = BOOT_ID_FILE.read_text().strip() or None
    return ClockReading(at=0.0, boot_id=boot_id, host=socket.gethostname())


def measure_offset(database: Database) -> float:
    """Return how many seconds the database's clock is ahead of this machine's.

    The error is at most the time that the query takes.
    """
    return _measure_difference(database, time.time)


def _measure_difference(database: Database, own_clock: Callable[[], float]) -> float:
    with database.read() as connection:
        connection.exec_driver_sql("SELECT 1")  # connect and begin the transaction first
        quickest = float("inf")
        difference = 0.0
        for _ in range(MAX_READINGS):
            before = own_clock()
            database_time: float = connection.exec_driver_sql(
                "SELECT extract(epoch FROM clock_timestamp())::double precision"
            ).scalar_one()
            after = own_clock()
            if after - before < quickest:
                quickest = after - before
                difference = database_time - (before + after) / 2
            if quickest < QUICK_ANSWER_SECONDS:
                break
        return difference
