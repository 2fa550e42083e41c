"""Copy a SQLite database to one file while it is written to; remove a write-ahead log."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from bridge.core.errors import StoreError
from bridge.store.db.error_text import describe_error
from bridge.system.fsync import sync_path


def copy_database(source: Path, target: Path) -> None:
    """Copy the database to a new file, durably, as of one moment. Writers do not wait.

    The copy is made in one step: with several, each write of another process would restart it. The
    write-ahead log cannot be reset meanwhile, so it grows with the writes.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as reader,
            closing(sqlite3.connect(target)) as writer,
        ):
            writer.execute("PRAGMA synchronous = OFF")
            reader.backup(writer, pages=-1)
            writer.execute("PRAGMA journal_mode = DELETE").fetchall()
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise StoreError(f"the database cannot be copied: {describe_error(error)}") from error
    sync_path(target)


def remove_wal(path: Path) -> bool:
    """Turn a database into one file without a write-ahead log; False if another process has it
    open.

    Raises `StoreError` if the file is no longer a database.
    """
    try:
        with closing(sqlite3.connect(path, timeout=0.5)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE").fetchall()
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            return False
        raise StoreError(describe_error(error)) from error
    except sqlite3.Error as error:
        raise StoreError(describe_error(error)) from error
    return True
