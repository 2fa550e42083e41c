"""What is at the path of a SQLite database: a database, or the notice of an unfinished restore.

The notice takes the place of the database while a restore replaces the files that belong to it, so
nothing can use a database with the files of another.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.core.errors import StoreError

HEAD: Final = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat.html#magic_header_string
NOTICE_HEAD: Final = b"flowbridge restore\n"
MAX_NOTICE_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class RestoreNotice:
    """The notice of a restore. `folder` has the store that it replaces, null if there was none."""

    folder: Path | None

    def to_bytes(self) -> bytes:
        """Return the contents of its file."""
        return NOTICE_HEAD + (b"" if self.folder is None else bytes(self.folder.absolute()))


def check_sqlite_file(path: Path) -> None:
    """Raise `StoreError` for a file that is no database: SQLite's own errors do not name it.

    An empty file is a new database. Raises OSError where it cannot be read.
    """
    if _is_database(path):
        return
    head = _read_head(path)
    notice = _parse_notice(head)
    if notice is not None:
        kept = f"; the earlier store is in {notice.folder}" if notice.folder else ""
        raise StoreError(
            f"{path}: a restore has not ended{kept}. Next: if it was interrupted, run it again:"
            " `flowbridge db restore FILE --replace`"
        )
    if head and not head.startswith(HEAD):
        raise StoreError(
            f"{path} is not a SQLite database. Next: move it away, then restore a backup with"
            " `flowbridge db restore`, or create a new database with `flowbridge serve`"
        )


def _is_database(path: Path) -> bool:
    """Return whether SQLite reads the file as a database.

    SQLite itself opens it: a process that closes a descriptor of its own loses all locks that it
    has on the file (https://www.sqlite.org/howtocorrupt.html, 2.2), and another process then
    removes the log of a database that is open here. `immutable` needs no lock and no other file.
    """
    try:
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.Error:
        return False
    return True


def read_notice(path: Path) -> RestoreNotice | None:
    """Return the notice of an unfinished restore; null for another file. Raises OSError."""
    return _parse_notice(_read_head(path))


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_NOTICE_BYTES)


def _parse_notice(text: bytes) -> RestoreNotice | None:
    if not text.startswith(NOTICE_HEAD):
        return None
    folder = os.fsdecode(text.removeprefix(NOTICE_HEAD))
    return RestoreNotice(Path(folder) if folder else None)
