"""Cheap detection of changes to the store, for workers that poll it while idle."""

from __future__ import annotations

import sqlite3
from contextlib import suppress

from bridge.store.db.database import Database


class ChangeDetector:
    """Detects whether the store may have changed since the previous check.

    For one thread; create it after the last fork. SQLite counts the commits of other connections
    (https://www.sqlite.org/pragma.html#pragma_data_version). PostgreSQL does not: there the answer
    is always yes.
    """

    def __init__(self, database: Database) -> None:
        self._path = database.path if database.is_sqlite else None
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None

    def has_changed(self) -> bool:
        """Return whether the store may have changed; True where that cannot be determined."""
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
        """Close the connection."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
