"""A database becomes one file, unless somebody has it open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bridge.store.db.snapshot import remove_wal


def test_the_log_of_a_database_stays_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    log = tmp_path / "a.db-wal"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("CREATE TABLE a (b)")
        assert log.exists()
        assert not remove_wal(path)
        assert log.exists()
    assert remove_wal(path)
    assert not log.exists()
    assert path.read_bytes()[18:20] == b"\x01\x01", "it needs no log from now on"
