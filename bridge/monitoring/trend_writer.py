"""Writes the growth of a data folder's counters to the store, once a minute.

A worker does so by a maintenance job, other processes in a thread. Of all processes that share a
data folder, the one that holds a lock writes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import Connection

from bridge.core.errors import BridgeError
from bridge.core.trends import MINUTE_SECONDS, Series, step_of
from bridge.monitoring.counter_files import claim_node, sum_counters
from bridge.monitoring.trends import read_counters
from bridge.store.db.database import Database
from bridge.store.operations import trend_rows
from bridge.system.logs import get_logger

log = get_logger()


class TrendWriter:
    """Adds the growth of the counters to each minute once it is over.

    A minute in which nothing was counted has no row. `clock` returns the time.
    """

    def __init__(self, data: Path, clock: Callable[[], float]) -> None:
        self._data = data
        self._clock = clock
        self._node: str | None = None
        self._lock = -1  # the file that is locked while this process writes
        self._counters: Mapping[str, Series] = {}
        self._written: Mapping[str, Series] | None = None
        self._read_at = 0
        self._minute = 0  # of the write under way

    def read(self) -> bool:
        """Read the counters once a minute; return whether there is anything to write.

        Raises `OSError`, once a minute, where the data folder cannot be written.
        """
        minute = step_of(self._clock())
        if minute == self._read_at:
            return False
        if self._node is None:
            try:
                claimed = claim_node(self._data)
            except OSError:
                self._read_at = minute
                raise
            if claimed is not None:
                self._node, self._lock = claimed
        # After the lock: counters that were read earlier would look as if they had begun again.
        if self._node is not None:
            self._counters = read_counters(sum_counters(self._data))
        is_needed = self._node is not None and self._counters != self._written
        if not is_needed:
            self._read_at = minute
        return is_needed

    def write(self, connection: Connection, now: float) -> int:
        """Add the growth of the counters to the minute that is over; return the rows written.

        Call `commit` once they are on disk; without it, the next `read` starts again.
        """
        self._minute = step_of(now)
        return trend_rows.add_counts(
            connection, self._node or "", self._minute - MINUTE_SECONDS, self._counters
        )

    def commit(self) -> None:
        """Record that the rows of `write` are on disk."""
        self._written = self._counters
        self._read_at = self._minute

    def close(self) -> None:
        """Release the lock, so that another process of this data folder writes."""
        if self._lock >= 0:
            os.close(self._lock)
        self._node = None
        self._lock = -1


def start_trend_writer(database: Database, data: Path, seconds: float) -> None:
    """Write trends in a thread that checks every so many `seconds`. Call it after the fork."""
    threading.Thread(
        target=_write_forever, args=(database, data, seconds), name="trends", daemon=True
    ).start()


def _write_forever(database: Database, data: Path, seconds: float) -> None:
    writer = TrendWriter(data, time.time)
    while True:
        try:
            if writer.read():
                database.write(lambda connection: writer.write(connection, time.time()))
                writer.commit()
        except (BridgeError, OSError) as error:
            log.error("trends_not_written", error=str(error))
        time.sleep(seconds)
