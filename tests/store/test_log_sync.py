"""Tests of the sync of SQLite's write-ahead log after each commit."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from records import make_delivery, make_event
from sqlalchemy import event, insert

from bridge.core.errors import CommitWaits, StoreError
from bridge.ingest.ports import EventsStored, StoringFailed
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.tables import schema


def write(database: Database, name: str) -> None:
    row = insert(schema.config).values(hash=name, canonical="{}", seen_at=0.0)
    database.write(lambda connection: connection.execute(row))


def append(database: Database, name: str) -> None:
    one = make_event(name)
    events.add(database, one, [make_delivery(one)], lambda *_: [])


def append_on_the_loop(database: Database, name: str) -> None:
    append(database, f"{name}-before")  # the loop opens no database
    one = make_event(name)
    [result] = events.add_each(
        database, [([(one, [make_delivery(one)])], lambda *_: [])], waits=False
    )
    if isinstance(result, StoringFailed):
        raise result.error


def log_of(database: Database) -> Path:
    return database.path.with_name(database.path.name + "-wal")


def stored(database: Database) -> set[str]:
    """Return the names on disk, as another process reads them."""
    with closing(sqlite3.connect(database.path)) as connection:
        names = connection.execute(
            "SELECT hash FROM config UNION SELECT provider_id FROM event"
        ).fetchall()
    return {name for (name,) in names}


class Disk:
    """The syncs and writes of this process, in their order; syncs fail while `fails`."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.fails = False
        self.seen: list[tuple[str, str]] = []
        self.sizes: list[int] = []  # of what was written
        self.before_sync: Callable[[], None] = lambda: None
        sync, write = os.fdatasync, os.pwrite

        def fdatasync(fd: int) -> None:
            self.before_sync()
            self.seen.append(("sync", self._name(fd)))
            if self.fails:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            sync(fd)

        def pwrite(fd: int, data: bytes, at: int) -> int:
            assert os.pread(fd, len(data), at) == data, "the log has other contents now"
            self.seen.append(("write", self._name(fd)))
            self.sizes.append(len(data))
            return write(fd, data, at)

        patch.setattr(os, "fdatasync", fdatasync)
        patch.setattr(os, "pwrite", pwrite)

    @staticmethod
    def _name(fd: int) -> str:
        return Path(f"/proc/self/fd/{fd}").readlink().name


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize("way", [write, append, append_on_the_loop])
def test_a_commit_is_synced_before_it_returns_and_after_others_may_commit(
    sqlite: Database, disk: Disk, way: Any
) -> None:
    append(sqlite, "open")
    found: list[tuple[bool, bool]] = []

    def look() -> None:
        with sqlite.path.with_name(sqlite.path.name + ".lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found.append(("1" in stored(sqlite), bool(returned)))

    returned: list[int] = []
    disk.before_sync = look
    way(sqlite, "1")
    returned.append(1)
    assert found[-1] == (True, False)
    assert set(disk.seen) == {("sync", log_of(sqlite).name)}


def test_a_sync_is_one_call_for_the_commits_of_all_callers(sqlite: Database, disk: Disk) -> None:
    append(sqlite, "open")
    del disk.seen[:]
    each = [make_event(str(number)) for number in range(8)]
    added = events.add_each(
        sqlite, [([(one, [make_delivery(one)])], lambda *_: []) for one in each], waits=False
    )
    assert [len(one.events) for one in added if isinstance(one, EventsStored)] == [1] * 8
    assert disk.seen == [("sync", log_of(sqlite).name)]


@pytest.mark.parametrize("way", [write, append, append_on_the_loop])
def test_after_a_failed_sync_the_log_is_written_again_before_the_next_commit(
    sqlite: Database, disk: Disk, way: Any
) -> None:
    """Linux does not write again what it could not write: later commits would be behind a gap."""
    append(sqlite, "before")
    disk.fails = True
    with pytest.raises(StoreError, match=r"^the commit could not be synced: Input/output error$"):
        way(sqlite, "lost")
    disk.fails = False
    del disk.seen[:]
    known = log_of(sqlite).read_bytes()
    write(sqlite, "next")
    name = log_of(sqlite).name
    assert disk.seen == [("write", name), ("sync", name), ("sync", name)]
    assert log_of(sqlite).read_bytes().startswith(known)
    del disk.seen[:]
    write(sqlite, "last")
    assert disk.seen == [("sync", name)], "it is written again once"
    assert {"before", "next", "last"} <= stored(sqlite)


def test_no_commit_succeeds_until_the_log_was_written_again(sqlite: Database, disk: Disk) -> None:
    write(sqlite, "before")
    disk.fails = True
    for name in ("1", "2", "3"):
        with pytest.raises(StoreError, match="could not be synced"):
            write(sqlite, name)
    assert "2" not in stored(sqlite), "nothing is committed behind the gap"
    disk.fails = False
    write(sqlite, "next")
    assert {"before", "next"} <= stored(sqlite)


def fail_a_sync(database: Database, disk: Disk, body: bytes = b"{}") -> None:
    """Commit an event whose sync fails; the disk works again then."""
    lost = make_event("lost", body=body)
    disk.fails = True
    with pytest.raises(StoreError, match="could not be synced"):
        events.add(database, lost, [], lambda *_: [])
    disk.fails = False
    del disk.seen[:]


def test_all_of_a_long_log_is_written_again(sqlite: Database, disk: Disk) -> None:
    write(sqlite, "before")
    fail_a_sync(sqlite, disk, os.urandom(900_000))
    size = log_of(sqlite).stat().st_size
    assert size > 3 * 256 * 1024
    write(sqlite, "next")
    assert sum(disk.sizes) == size


def test_the_log_is_not_written_again_while_another_program_writes(
    sqlite: Database, disk: Disk
) -> None:
    write(sqlite, "before")
    fail_a_sync(sqlite, disk)
    with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CommitWaits, match="another program has locked the database"):
            events.add_each(sqlite, [([(make_event("next"), [])], lambda *_: [])], waits=False)
        assert disk.seen == []
        other.execute("ROLLBACK")
    write(sqlite, "next")
    assert {"before", "next"} <= stored(sqlite)


def test_another_process_writes_the_log_again_before_its_first_commit(
    sqlite: Database, disk: Disk
) -> None:
    """The one that knew of the failed sync may have been killed."""
    write(sqlite, "before")
    fail_a_sync(sqlite, disk)
    size = log_of(sqlite).stat().st_size
    other = Database(sqlite.url.render_as_string())
    write(other, "next")
    name = log_of(sqlite).name
    assert disk.seen == [("write", name), ("sync", name), ("sync", name)]
    assert disk.sizes == [size]
    write(other, "last")
    assert disk.seen[3:] == [("sync", name)], "it is written again once"
    other.close()


def test_a_log_that_cannot_be_written_again_is_an_error(
    sqlite: Database, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(sqlite, "before")
    disk.fails = True
    with pytest.raises(StoreError):
        write(sqlite, "lost")
    disk.fails = False

    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        for _ in range(2):
            with pytest.raises(
                StoreError,
                match=r"^the write-ahead log could not be written again: Read-only file system$",
            ):
                write(sqlite, "next")
    write(sqlite, "next")
    with closing(sqlite3.connect(sqlite.path)) as connection:
        connection.execute("INSERT INTO config VALUES ('other', '{}', 0)")  # nothing is locked
        connection.commit()
    assert {"before", "next", "other"} <= stored(sqlite)


@pytest.mark.parametrize("way", [write, append, append_on_the_loop])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_log_that_was_deleted_is_an_error_and_the_database_is_opened_again(
    sqlite: Database, way: Any, is_new: bool
) -> None:
    """As where this process closed a descriptor of the file, which ends the locks of SQLite."""
    append(sqlite, "before")
    with closing(sqlite3.connect(sqlite.path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    log_of(sqlite).unlink()
    if is_new:  # of another process
        log_of(sqlite).touch()
    with pytest.raises(StoreError, match="-wal was deleted while the database was open"):
        way(sqlite, "lost")
    sqlite.engine.dispose()  # the readers, too, had the deleted log
    write(sqlite, "next")
    assert {"before", "next"} <= stored(sqlite)


def test_where_the_file_system_allows_no_log_sqlite_syncs_within_the_commit(
    tmp_path: Path, disk: Disk
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'other.db'}")

    @event.listens_for(database.engine, "connect")
    def go_without(raw: sqlite3.Connection, _record: object) -> None:
        raw.execute("PRAGMA journal_mode = DELETE").fetchall()

    level = database.write(
        lambda connection: connection.exec_driver_sql("PRAGMA synchronous").scalar()
    )
    assert level == 2 and disk.seen == []
    database.close()
