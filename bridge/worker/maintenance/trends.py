"""Maintenance jobs that write trends, once a minute."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection

from bridge.core.trends import MINUTE_SECONDS, Series, step_of
from bridge.monitoring.trend_writer import TrendWriter
from bridge.monitoring.trends import read_values
from bridge.store.db.clock import DatabaseClock
from bridge.store.operations import trend_rows
from bridge.store.queries.status import read_waiting
from bridge.worker.maintenance.scheduler import ShortJob


class TrendJobs:
    """Writes the growth of this machine's counters, and the values of the store, for each minute.

    Both jobs check at each beat whether a minute is over.
    """

    def __init__(self, data: Path, clock: DatabaseClock) -> None:
        self.writer = TrendWriter(data, clock)
        self._clock = clock
        self._values: Mapping[str, Series] = {}
        self._read_at = step_of(clock())
        self._minute = 0  # of the write under way

    def jobs(self) -> tuple[ShortJob, ...]:
        """Return the jobs for the scheduler."""
        return (
            ShortJob(
                "trend_counts",
                0.0,
                self.writer.write,
                needed=lambda _: self.writer.read(),
                at_start=True,
                quiet=True,
                everywhere=True,
                commit=self.writer.commit,
            ),
            ShortJob(
                "trend_values",
                0.0,
                self.store_values,
                needed=self.read_store,
                quiet=True,
                commit=self.commit,
            ),
        )

    def read_store(self, connection: Connection) -> bool:
        """Read the values of the store once a minute; return whether there are any."""
        now = self._clock()
        minute = step_of(now)
        if minute == self._read_at:
            return False
        self._values = read_values(read_waiting(connection), now)
        if any(self._values.values()):
            return True
        self._read_at = minute
        return False

    def store_values(self, connection: Connection, now: float) -> int:
        """Store the values of the store in the minute that is over."""
        self._minute = step_of(now)
        return trend_rows.add_highest(connection, self._minute - MINUTE_SECONDS, self._values)

    def commit(self) -> None:
        """Record that the values of a minute are on disk."""
        self._read_at = self._minute
