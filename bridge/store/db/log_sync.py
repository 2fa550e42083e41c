"""Sync SQLite's write-ahead log after a commit, while other processes commit already."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from bridge.core.errors import StoreError

_PIECE_BYTES: Final = 256 * 1024


class SyncFailed(StoreError):
    """A commit is not known to be on disk."""


class LogSync:
    """Syncs the write-ahead log of the database at `path`.

    SQLite itself syncs within a commit, while all other writers wait: for the disk, and on a busy
    machine longer for a processor. With `synchronous = NORMAL` it leaves that out, and still orders
    its writes so that nothing but the last commits can be lost with the power
    (https://www.sqlite.org/pragma.html#pragma_synchronous). One sync then makes all commits before
    it durable, those of other processes too.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + "-wal")
        self._fd = -1
        self._may_have_gap = True

    def open(self) -> None:
        """Open the file. Call it with a connection that has just opened it, too.

        Linux tells a failed write only to those that have the file open, so another process may
        have known of a gap in it, and ended.
        """
        self.close()
        self._may_have_gap = True
        self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def sync(self) -> None:
        """Return once all commits until now are on disk. Raises `SyncFailed`: they may be lost.

        SQLite deletes the log only with the last connection, unless something has ended the locks
        of this one. Then the commit is lost, which is a `StoreError`.
        """
        try:
            if not os.fstat(self._fd).st_nlink:
                raise StoreError(f"{self._path} was deleted while the database was open")
            os.fdatasync(self._fd)
        except OSError as error:
            self._may_have_gap = True
            raise SyncFailed(f"the commit could not be synced: {error.strerror}") from error

    def repair(self, connection: sqlite3.Connection) -> None:
        """Write the log again if it was just opened or a sync has failed.

        Call it before a transaction. Raises `SyncFailed`.

        Linux reports a failed write once, and does not try it again. Behind the gap that it leaves
        in the log, later commits would be lost with the power, although they were synced.
        """
        if not self._may_have_gap:
            return
        connection.execute("BEGIN IMMEDIATE")  # no program writes the log meanwhile
        try:
            self._write_again()
        finally:
            connection.execute("ROLLBACK")
        self.sync()
        self._may_have_gap = False

    def _write_again(self) -> None:
        try:
            at = 0
            while piece := os.pread(self._fd, _PIECE_BYTES, at):
                at += os.pwrite(self._fd, piece, at)
        except OSError as error:
            raise SyncFailed(
                f"the write-ahead log could not be written again: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
