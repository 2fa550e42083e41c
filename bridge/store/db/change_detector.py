"""Whether somebody has changed the store, asked so cheaply that an idle worker can ask it all the
time.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from bridge.store.db.database import Database


class Changes:
    """Tells whether the store may have been changed since it was asked last; for one thread, made
    after the last fork.

    SQLite numbers the commits of other connections
    (https://www.sqlite.org/pragma.html#pragma_data_version). PostgreSQL does not: there it may
    always have been.
    """

    def __init__(self, database: Database) -> None:
        self._path = database.path if database.is_sqlite else None
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None

    def any(self) -> bool:
        """Whether there may be any. What cannot be asked may have been changed."""
        if self._path is None:
            return True
        before = self._version
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
            (self._version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:
            self._version = None
        return self._version is None or self._version != before

    def close(self) -> None:
        """Ask no more."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
