"""Return free pages of a SQLite file to the disk: a few at a time, or by rewriting the file.

Files with `auto_vacuum = INCREMENTAL`, which new ones have, need no free space for it. A full disk
has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from bridge.core.errors import StoreError
from bridge.core.units import MIB
from bridge.store.db import disk_space
from bridge.store.db.database import Database, exclusive_connection

INCREMENTAL: Final = 2  # https://sqlite.org/pragma.html#pragma_auto_vacuum
PAGES_PER_STEP: Final = 200  # pages returned in one transaction


@dataclass(frozen=True, slots=True)
class PageCounts:
    """Page size in bytes, number of pages, free pages, and whether single pages can be returned."""

    size: int
    count: int
    free: int
    incremental: bool


def count_pages(database: Database) -> PageCounts:
    """Count the pages of the file."""
    names = ("page_size", "page_count", "freelist_count", "auto_vacuum")
    with database.read() as connection:
        size, count, free, mode = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in names
        )
    return PageCounts(size, count, free, mode == INCREMENTAL)


def free_pages(connection: Connection) -> int:
    """Return some free pages to the disk, inside `Database.write`; return how many, 0 if none are
    free.
    """
    raw: Any = connection.connection.driver_connection
    before = int(raw.execute("PRAGMA freelist_count").fetchone()[0])
    for _ in range(min(PAGES_PER_STEP, before)):
        # sqlite3 executes only one step of a statement that returns no rows
        raw.execute("PRAGMA incremental_vacuum(1)").close()
    return before - int(raw.execute("PRAGMA freelist_count").fetchone()[0])


def enable_incremental(path: Path) -> None:
    """Enable incremental vacuum for an empty file; it must be set before any data is written."""
    if path.stat().st_size == 0:
        with exclusive_connection(path) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute(
                "PRAGMA journal_mode = WAL"
            ).fetchall()  # this writes the setting to the file


def rewrite(database: Database) -> None:
    """Rewrite the file without its free pages, and enable incremental vacuum. Writers wait
    meanwhile.

    Raises `StoreError` if the disk has too little space.
    """
    pages = count_pages(database)
    # a copy, and the same again in the write-ahead log
    needed = 2 * (pages.count - pages.free) * pages.size
    left, reserve = disk_space.free_space(database.path)
    if left < needed + reserve:
        raise StoreError(
            f"rewriting the file needs {(needed + reserve) / MIB:.0f} MiB, but the disk has"
            f" {left / MIB:.0f} MiB left"
        )
    with exclusive_connection(database.path) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
