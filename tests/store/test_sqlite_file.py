"""A file that stands where the database is, while a restore has not ended."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import pytest

from bridge.core.errors import StoreError
from bridge.store.db.sqlite_file import RestoreNotice, check_sqlite_file, read_notice


@pytest.mark.parametrize("name", [None, "replaced-1"])
def test_a_notice_of_a_restore_names_the_earlier_store(tmp_path: Path, name: str | None) -> None:
    folder = None if name is None else tmp_path / name
    path = tmp_path / "flowbridge.db"
    path.write_bytes(RestoreNotice(folder).to_bytes())
    assert read_notice(path) == RestoreNotice(folder)
    with pytest.raises(StoreError, match="a restore has not ended") as refused:
        check_sqlite_file(path)
    assert ("the earlier store is in" in str(refused.value)) is (folder is not None)


def test_another_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is replaced between two reads would be described by both."""
    path = tmp_path / "flowbridge.db"
    path.write_bytes(b"no database")
    opened = []
    open_path = Path.open

    def count(self: Path, *arguments: str) -> IO[Any]:
        opened.append(self)
        return open_path(self, *arguments)

    monkeypatch.setattr(Path, "open", count)
    with pytest.raises(StoreError, match="is not a SQLite database"):
        check_sqlite_file(path)
    assert opened == [path]


def test_a_database_is_no_notice(tmp_path: Path) -> None:
    path = tmp_path / "flowbridge.db"
    path.write_bytes(b"")
    assert read_notice(path) is None
    check_sqlite_file(path)


@pytest.mark.usefixtures("new_processes")
def test_looking_at_an_open_database_keeps_its_locks(tmp_path: Path) -> None:
    """Another process that closes the database removes the log, unless it is open elsewhere."""
    path = tmp_path / "flow bridge?#%.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("CREATE TABLE event (id)").fetchall()
        check_sqlite_file(path)
        code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM event'); c.close()"
        subprocess.run([sys.executable, "-c", code, path], check=True)
        assert path.with_name(path.name + "-wal").stat().st_size > 0


@pytest.mark.parametrize("contents", [b"SQLite", b"no database", b"x" * 5000])
def test_another_file_is_named(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "flowbridge.db"
    path.write_bytes(contents)
    with pytest.raises(StoreError, match="is not a SQLite database"):
        check_sqlite_file(path)
    with pytest.raises(IsADirectoryError):
        check_sqlite_file(tmp_path)
