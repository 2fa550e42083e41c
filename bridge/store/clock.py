"""The time that leases go by: the database's, so that machines whose clocks differ agree on when one has run out."""

from __future__ import annotations

import time
from collections.abc import Callable

from bridge.logs import get_logger
from bridge.store.database import Database

log = get_logger()

WORTH_SAYING = 2.0  # seconds
QUICK, TRIES = 0.1, 3  # an answer that took longer, in seconds, is asked for again: half of that is what is not known
_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while a machine sleeps, where there is such a clock


class Clock:
    """Gives the database's time as it was when `set` was called last, carried on by a clock that nobody steps.

    Where this machine's own is stepped meanwhile, an intent would be dated by twice the step, and its run be looked for at another time.
    Before `set`, and on SQLite, where all go by the same clock, it is this machine's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begun: float | None = None  # the database's time when the clock that nobody steps began
        self._said = 0.0

    def __call__(self) -> float:
        """Return the time: seconds since 1970."""
        return time.time() if self._begun is None else self._begun + _elapsed()

    def set(self) -> None:
        """Look at the database's clock; `StoreError` where that is not possible."""
        if self._database.is_sqlite:
            return
        self._begun = _difference(self._database, _elapsed)
        off = self() - time.time()
        if abs(off - self._said) > WORTH_SAYING:
            self._said = off
            log.warning("clocks_differ", database_ahead=round(off, 3))


def ahead(database: Database) -> float:
    """Return how many seconds the database's clock is ahead of this machine's, to within the time that the question takes."""
    return _difference(database, time.time)


def _elapsed() -> float:
    return time.clock_gettime(_ELAPSED)


def _difference(database: Database, mine: Callable[[], float]) -> float:
    with database.read() as connection:
        connection.exec_driver_sql("SELECT 1")  # connected by now, and the transaction begun
        quickest, difference = float("inf"), 0.0
        for _ in range(TRIES):
            before = mine()
            theirs: float = connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())::double precision").scalar_one()
            after = mine()
            if after - before < quickest:
                quickest, difference = after - before, theirs - (before + after) / 2
            if quickest < QUICK:
                break
        return difference
