"""Give free pages of a SQLite file back to the disk: a few at a time where the file can do so, else
by writing it anew.

Files made since can (`auto_vacuum = INCREMENTAL`, see `database`): then it needs no room, which is
what a full disk has none of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from bridge.core.errors import StoreError
from bridge.store.db import disk_space
from bridge.store.db.database import Database, alone_with_file
from bridge.store.db.disk_space import MIB

INCREMENTAL: Final = 2  # https://sqlite.org/pragma.html#pragma_auto_vacuum
PAGES_PER_STEP: Final = 200  # pages that are given back in one transaction


@dataclass(frozen=True, slots=True)
class PageCounts:
    """How large a file is, in pages of so many bytes; how many of them are free; whether they can
    be given back one by one.
    """

    size: int
    count: int
    free: int
    incremental: bool


def pages(database: Database) -> PageCounts:
    """Return what the file has."""
    names = ("page_size", "page_count", "freelist_count", "auto_vacuum")
    with database.read() as connection:
        size, count, free, mode = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in names
        )
    return PageCounts(size, count, free, mode == INCREMENTAL)


def step(connection: Connection) -> int:
    """Give some free pages back, inside `Database.write`; return how many, 0 where there are
    none.
    """
    raw: Any = connection.connection.driver_connection
    before = int(raw.execute("PRAGMA freelist_count").fetchone()[0])
    for _ in range(min(PAGES_PER_STEP, before)):
        # sqlite3 takes one step of a statement that returns nothing, and no more
        raw.execute("PRAGMA incremental_vacuum(1)").close()
    return before - int(raw.execute("PRAGMA freelist_count").fetchone()[0])


def enable_incremental(path: Path) -> None:
    """Have an empty file give pages back one by one, which has to be said before anything is in
    it.
    """
    if path.stat().st_size == 0:
        with alone_with_file(path) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL").fetchall()  # this writes it down


def rewrite(database: Database) -> None:
    """Write the file anew, without its free pages; from then on they can be given back one by one.
    Who writes waits meanwhile.

    `StoreError` where the disk has too little room for it.
    """
    known = pages(database)
    # a copy, and the write-ahead log that it goes through
    wanted = 2 * (known.count - known.free) * known.size
    left, reserve = disk_space.free(database.path)
    if left < wanted + reserve:
        raise StoreError(
            f"writing the file anew wants {(wanted + reserve) / MIB:.0f} MiB, and the disk has"
            f" {left / MIB:.0f} MiB left"
        )
    with alone_with_file(database.path) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
