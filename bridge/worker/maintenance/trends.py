"""Maintenance jobs that write trends, once a minute."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection

from bridge.core.trends import MINUTE_SECONDS, Series, step_of
from bridge.monitoring.counters import claim_node, sum_counters
from bridge.monitoring.trends import read_counters, read_values
from bridge.store.db.clock import DatabaseClock
from bridge.store.operations import trend_rows
from bridge.store.queries.status import read_waiting
from bridge.worker.maintenance.scheduler import ShortJob


class TrendJobs:
    """Writes the growth of this machine's counters, and the values of the store, for each minute.

    A minute is written once it is over. One in which nothing was counted has no row.
    """

    def __init__(self, data: Path, clock: DatabaseClock) -> None:
        self._data = data
        self._clock = clock
        self._node: str | None = None
        self._lock = -1  # the file that is locked while this process writes the counters
        self._counters: Mapping[str, Series] = {}
        self._written: Mapping[str, Series] | None = None
        self._values: Mapping[str, Series] = {}
        self._counted_at = 0
        self._measured_at = 0

    def close(self) -> None:
        """Let another worker of this machine write."""
        if self._lock >= 0:
            os.close(self._lock)
        self._node = None
        self._lock = -1

    def jobs(self) -> tuple[ShortJob, ...]:
        """Return the jobs for the scheduler. Both check at each beat whether a minute is over."""
        return (
            ShortJob(
                "trend_counts",
                0.0,
                self.store_counts,
                needed=self.read_counts,
                at_start=True,
                quiet=True,
                everywhere=True,
            ),
            ShortJob("trend_values", 0.0, self.store_values, needed=self.read_store, quiet=True),
        )

    def read_counts(self, _connection: Connection) -> bool:
        """Read the counters once a minute; return whether they have changed."""
        minute = step_of(self._clock())
        if minute == self._counted_at:
            return False
        if self._node is None and (claimed := claim_node(self._data)) is not None:
            self._node, self._lock = claimed
        if self._node is None:  # another worker of this machine does it
            self._counted_at = minute
            return False
        # after the lock: counters that were read earlier would look as if they had begun again
        self._counters = read_counters(sum_counters(self._data))
        is_new = self._counters != self._written
        if not is_new:
            self._counted_at = minute
        return is_new

    def store_counts(self, connection: Connection, now: float) -> int:
        """Add the growth of the counters to the minute that is over."""
        minute = step_of(now)
        done = trend_rows.add_counts(
            connection, self._node or "", minute - MINUTE_SECONDS, self._counters
        )
        self._written = self._counters
        self._counted_at = minute
        return done

    def read_store(self, connection: Connection) -> bool:
        """Read the values of the store once a minute; return whether there are any."""
        now = self._clock()
        minute = step_of(now)
        if minute == self._measured_at:
            return False
        self._values = read_values(read_waiting(connection), now)
        if not any(self._values.values()):
            self._measured_at = minute
            return False
        return True

    def store_values(self, connection: Connection, now: float) -> int:
        """Store the values of the store in the minute that is over."""
        minute = step_of(now)
        done = trend_rows.add_highest(connection, minute - MINUTE_SECONDS, self._values)
        self._measured_at = minute
        return done
