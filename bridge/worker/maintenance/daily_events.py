"""A maintenance job that stores how many events each source received today, once a minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from bridge.store.db.clock import DatabaseClock
from bridge.store.inbound import daily_events
from bridge.store.inbound.daily_events import DailyCount
from bridge.worker.maintenance.scheduler import ShortJob

EVERY_SECONDS: Final = 60.0


class DailyEventsJob:
    """Counts the new events in a read of its own, so that no write waits for it."""

    def __init__(self, clock: DatabaseClock) -> None:
        self._clock = clock
        self._counts: Sequence[DailyCount] = ()

    def job(self) -> ShortJob:
        """Return the job for the scheduler."""
        return ShortJob("daily_events", EVERY_SECONDS, self.store, needed=self.count, quiet=True)

    def count(self, connection: Connection) -> bool:
        """Count the new events; return whether there are any."""
        self._counts = daily_events.find_new_counts(connection, self._clock())
        return bool(self._counts)

    def store(self, connection: Connection, _: float) -> int:
        """Store the counts, and return how many sources have a new one."""
        return daily_events.store_counts(connection, self._counts)
