"""Tests of backups of a running store, and of restores, which lose nothing and start no flow."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count as numbers_from
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
import pytest
from command_line import lines, run
from processes import call
from records import NOW, make_delivery, make_event, make_local_run, put
from serving import Bridge, until
from sqlalchemy import insert, select, text, update

from bridge.core.errors import StoreError
from bridge.core.local_runs import LocalFile
from bridge.core.model import Event, Order
from bridge.services.access_tokens import authenticate_token, create_token, remove_token
from bridge.store.backup import age, archive, extraction, files, scratch
from bridge.store.backup import restore as restore_module
from bridge.store.backup.manifest import FORMAT, MANIFEST
from bridge.store.backup.restore import restore
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.local import files as local_files
from bridge.store.local import runs
from bridge.store.migrations import upgrade
from bridge.store.operations import checkup, copy, sessions, tokens
from bridge.store.queries import census
from bridge.store.queue import claims, hold
from bridge.store.queue.claim_round import ClaimLimits
from bridge.store.tables import schema

MIB = 1024 * 1024


def fill(database: Database, data: Path) -> None:
    """Store one of everything that a backup contains."""
    for number in range(5):
        event = make_event(f"id-{number}", body=b'{"n":%d}' % number)
        events.add(database, event, [make_delivery(event)], lambda *_: [])
    sha256 = BlobStore(data / "blobs").store(b"a,b\n1,2\n")
    with database.engine.begin() as connection:
        local_files.store_file(
            connection,
            LocalFile(user_id="u", run_id="", name="f.csv", sha256=sha256, size=8, created_at=NOW),
        )
    (data / "secret_key").write_text("k" * 64)
    (data / "files" / "sub").mkdir(parents=True)
    (data / "files" / "sub" / "kept.csv").write_text("a,b\n")
    (data / "files" / "elsewhere").symlink_to("/etc/passwd")


@pytest.fixture
def source(new_sqlite: Callable[[Path], Database], tmp_path: Path) -> Iterator[Database]:
    database = new_sqlite(tmp_path / "source" / "flowbridge.db")
    fill(database, tmp_path / "source")
    yield database
    database.close()


@pytest.fixture
def packed(source: Database, tmp_path: Path) -> Path:
    """Return a backup of it."""
    path = tmp_path / "backup.tar"
    files.create(source, tmp_path / "source", path, NOW, secret_key="k" * 64, with_key=True)
    return path


def killed_at_its_first_byte(source: Database, data: Path, path: Path) -> None:
    """Begin a backup in a process that is killed."""
    source.close()
    child = os.fork()
    if child == 0:
        files.create(source, data, path, NOW, lambda _: os.kill(os.getpid(), signal.SIGKILL))
        os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


@pytest.mark.usefixtures("new_processes")
def test_the_next_backup_deletes_what_one_that_was_killed_has_left(
    source: Database, tmp_path: Path
) -> None:
    backups = tmp_path / "backups"
    killed_at_its_first_byte(source, tmp_path / "source", backups / "x.tar")
    assert list(backups.iterdir())
    of_another_host = backups / f"{scratch.PREFIX}another-host-1"
    of_another_host.mkdir()
    database = Database(f"sqlite:///{source.path}")

    def meanwhile(_: int) -> None:
        if not (backups / "z.tar").exists():
            files.create(database, tmp_path / "source", backups / "z.tar", NOW)

    files.create(database, tmp_path / "source", backups / "y.tar", NOW, meanwhile)
    database.close()
    assert {one.name for one in backups.iterdir()} == {"y.tar", "z.tar", of_another_host.name}


@contextmanager
def target(tmp_path: Path, name: str = "target") -> Iterator[tuple[Database, Path]]:
    database = Database(f"sqlite:///{tmp_path / name / 'flowbridge.db'}")
    try:
        yield database, tmp_path / name
    finally:
        database.close()


def put_back(path: Path, database: Database, data: Path, **how: Any) -> Any:
    with path.open("rb") as file:
        return restore(file, database, data, NOW + 100, **how)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        one.relative_to(folder).as_posix(): one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file()
    }


# -- there and back


def test_what_is_restored_is_what_was_there(source: Database, packed: Path, tmp_path: Path) -> None:
    assert packed.stat().st_mode & 0o777 == 0o600
    assert not [
        one for one in tmp_path.iterdir() if one.name.startswith((".", "backup-", "restore-"))
    ], "nothing is left beside it"
    with target(tmp_path) as (database, data):
        restored = put_back(packed, database, data)
        assert (restored.aside, restored.waiting.before, restored.manifest.rows["event"]) == (
            None,
            5,
            5,
        )
        assert {
            name: data_
            for name, data_ in tree(data).items()
            if not name.startswith("flowbridge.db")
        } == {
            name: data_
            for name, data_ in tree(tmp_path / "source").items()
            if not name.startswith(("flowbridge.db", "files/elsewhere"))
        }
        for table in (schema.event, schema.delivery, schema.local_file):
            with source.read() as before, database.read() as after:
                assert before.execute(select(table)).all() == after.execute(select(table)).all()
        assert checkup.check_database(database)["problems"] == []
        assert (data / "flowbridge.db").stat().st_mode & 0o777 == 0o600
        assert not list(data.glob("restore-*"))


def test_a_pipe_will_do(source: Database, packed: Path, tmp_path: Path) -> None:
    read, write = os.pipe()
    with os.fdopen(write, "wb") as into:
        thread = threading.Thread(target=lambda: (into.write(packed.read_bytes()), into.close()))
        thread.start()
        with target(tmp_path) as (database, data), os.fdopen(read, "rb") as file:
            assert restore(file, database, data, NOW).manifest.rows["event"] == 5
        thread.join()


def test_blobs_that_are_gone_are_said(source: Database, tmp_path: Path) -> None:
    [blob] = [one for one in (tmp_path / "source" / "blobs").rglob("*") if one.is_file()]
    blob.unlink()
    manifest = files.create(source, tmp_path / "source", tmp_path / "x.tar", NOW)
    assert manifest.missing == [blob.name] and manifest.blobs == 0


def test_a_damaged_database_is_not_backed_up(source: Database, tmp_path: Path) -> None:
    source.close()
    path = tmp_path / "source" / "flowbridge.db"
    whole = bytearray(path.read_bytes())
    for at in range(5 * 4096, len(whole), 4096):
        whole[at : at + 100] = b"\xff" * 100
    path.write_bytes(whole)
    with pytest.raises(StoreError, match=r"damaged|malformed|cannot be copied"):
        files.create(Database(f"sqlite:///{path}"), tmp_path / "source", tmp_path / "x.tar", NOW)
    assert not (tmp_path / "x.tar").exists() and not list(tmp_path.glob(".*"))


# -- what is no backup, or not all of one


def test_one_that_was_cut_off_anywhere_is_refused(packed: Path, tmp_path: Path) -> None:
    whole = packed.read_bytes()
    for part in (
        0,
        1,
        511,
        512,
        10_000,
        len(whole) // 2,
        whole.rindex(b"manifest.json") - 1,
        whole.rindex(b"manifest.json") + 600,
    ):
        with target(tmp_path) as (database, data), pytest.raises(StoreError):
            restore(io.BytesIO(whole[:part]), database, data, NOW)
        assert not (data / "flowbridge.db").exists() and not list(data.glob("restore-*"))


def test_one_with_a_changed_byte_is_refused(packed: Path, tmp_path: Path) -> None:
    whole = packed.read_bytes()
    with tarfile.open(packed) as tar:
        places = [entry.offset_data + entry.size // 2 for entry in tar if entry.name != MANIFEST]
    assert len(places) == 4
    for place in places:
        changed = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with (
            target(tmp_path) as (database, data),
            pytest.raises(StoreError, match=r"does not match its manifest|is damaged"),
        ):
            restore(io.BytesIO(changed), database, data, NOW)


def changed(
    packed: Path, change: Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]
) -> io.BytesIO:
    with tarfile.open(packed) as tar:
        entries = [(entry, tar.extractfile(entry).read()) for entry in tar]  # type: ignore[union-attr]
    change(entries)
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for entry, data in entries:
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    written.seek(0)
    return written


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.linkname = link
    return entry


@pytest.mark.parametrize(
    "entry",
    [
        named("../evil"),
        named("/etc/evil"),
        named("files/../../evil"),
        named("files//evil"),
        named("files"),
        named("routes.yaml"),
        named("blobs/aa/" + "b" * 64),
        named("flowbridge.db-wal"),
        named("files/link", tarfile.SYMTYPE, "/etc/passwd"),
        named("files/hard", tarfile.LNKTYPE, "flowbridge.db"),
        named("files/device", tarfile.CHRTYPE),
        named("files/folder", tarfile.DIRTYPE),
    ],
    ids=lambda entry: entry.name,
)
def test_a_name_that_no_backup_has_is_refused(
    packed: Path, tmp_path: Path, entry: tarfile.TarInfo
) -> None:
    with (
        target(tmp_path) as (database, data),
        pytest.raises(StoreError, match=r"which is not part of a backup|is not a file"),
    ):
        restore(
            changed(packed, lambda entries: entries.insert(0, (entry, b""))), database, data, NOW
        )
    assert not (tmp_path / "evil").exists() and not (data / "flowbridge.db").exists()


def bomb(**entry: int) -> io.BytesIO:
    """Return a compressed tar file whose first entry, or header, consists of zeros."""
    written = io.BytesIO()
    with lzma.open(written, "wb", preset=0) as out:
        info = named("flowbridge.db", **({"kind": tarfile.XHDTYPE} if "header" in entry else {}))
        info.size = entry.get("size", entry.get("header", 0))
        out.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(info.size // MIB):
            out.write(bytes(MIB))
    written.seek(0)
    return written


def test_what_unpacks_to_far_more_than_it_is_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "MIN_LIMIT_BYTES", MIB)
    with (
        target(tmp_path) as (database, data),
        pytest.raises(StoreError, match="more than 1000 times its size"),
    ):
        restore(bomb(size=64 * MIB), database, data, NOW)
    assert tree(tmp_path / "target") == {}


def test_what_stands_before_a_file_is_bounded_in_memory(tmp_path: Path) -> None:
    with (
        target(tmp_path) as (database, data),
        pytest.raises(StoreError, match="header of one of its files"),
    ):
        restore(bomb(header=64 * MIB), database, data, NOW)


def test_more_files_than_a_backup_has_are_refused(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "MAX_FILES", 3)
    with target(tmp_path) as (database, data), pytest.raises(StoreError, match="more than 3 files"):
        put_back(packed, database, data)


def test_a_restore_leaves_room_on_the_disk(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "free_space", lambda _: (10 * MIB, 32 * MIB))
    with (
        target(tmp_path) as (database, data),
        pytest.raises(StoreError, match="do not fit on the disk"),
    ):
        put_back(packed, database, data)
    assert tree(tmp_path / "target") == {}


@pytest.mark.parametrize("opened", [gzip.open, bz2.open, lzma.open])
def test_a_compressed_backup_is_restored(opened: Any, packed: Path, tmp_path: Path) -> None:
    written = tmp_path / "compressed"
    with opened(written, "wb") as out:
        out.write(packed.read_bytes())
    with target(tmp_path) as (database, data):
        put_back(written, database, data)
        assert database.path.exists()
    with written.open("r+b") as file:
        file.truncate(written.stat().st_size // 2)
    with target(tmp_path, "cut") as (database, data), pytest.raises(StoreError):
        put_back(written, database, data)


def said(**changes: Any) -> Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]:
    def change(entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        entry, text_ = entries[-1]
        entries[-1] = entry, orjson.dumps({**orjson.loads(text_), **changes})

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            said(format=FORMAT + 1, flowbridge="9.0"),
            r"made by flowbridge 9\.0, which is newer",
        ),
        (said(format="x"), "its manifest is invalid"),
        (said(schema="0001"), f"its database has schema {schema.HEAD}, but its manifest says 0001"),
        (said(blobs=2), "1 of 2 blobs"),
        (
            lambda entries: entries.append((named("files/more"), b"x")),
            "contains data after its manifest",
        ),
        (lambda entries: entries.pop(1), "secret_key does not match its manifest"),
        (lambda entries: entries.pop(0), "flowbridge.db does not match its manifest"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    packed: Path, tmp_path: Path, change: Any, why: str
) -> None:
    with target(tmp_path) as (database, data), pytest.raises(StoreError, match=why):
        restore(changed(packed, change), database, data, NOW)
    assert not (data / "flowbridge.db").exists()


def test_one_with_a_newer_schema_is_refused(
    source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with source.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    monkeypatch.setattr(archive, "HEAD", "9999")
    files.create(source, tmp_path / "source", tmp_path / "x.tar", NOW)
    monkeypatch.undo()
    with (
        target(tmp_path) as (database, data),
        pytest.raises(StoreError, match="schema 9999, which is newer than"),
    ):
        put_back(tmp_path / "x.tar", database, data)


# -- what was there before


def test_a_store_with_anything_in_it_is_replaced_only_where_that_is_said_and_kept(
    source: Database, packed: Path, tmp_path: Path
) -> None:
    with target(tmp_path) as (database, data):
        upgrade.upgrade(database)
        assert put_back(packed, database, data).aside is not None, (
            "an empty one goes without asking, and is kept all the same"
        )
    with target(tmp_path, "other") as (database, data):
        upgrade.upgrade(database)
        known = make_event("mine")
        events.add(database, known, [], lambda *_: [])
        mine = BlobStore(data / "blobs").store(b"mine")
        (data / "secret_key").write_text("m" * 64)
        (data / "files").mkdir()
        (data / "files" / "mine.csv").write_text("mine")
        with pytest.raises(StoreError, match="a store already exists"):
            put_back(packed, database, data)
        assert events.get(database, known.id)
        restored = put_back(packed, database, data, replace=True)
        aside = restored.aside
        assert aside is not None and aside.parent == data
        assert (aside / "secret_key").read_text() == "m" * 64 and (
            data / "secret_key"
        ).read_text() == "k" * 64
        assert (aside / "files" / "mine.csv").read_text() == "mine" and not (
            data / "files" / "mine.csv"
        ).exists()
        assert (aside / "blobs" / mine[:2] / mine).read_bytes() == b"mine"
        # what nobody owns any more goes; what is aside stays
        BlobStore(data / "blobs").sweep(set, time.time() + 10)
        assert (aside / "blobs" / mine[:2] / mine).read_bytes() == b"mine"
        before = Database(f"sqlite:///{aside / 'flowbridge.db'}")
        assert events.get(before, known.id).id == known.id
        before.close()
        assert copy.count_rows(database)["event"] == 5


def test_one_that_is_damaged_beyond_reading_can_be_replaced(packed: Path, tmp_path: Path) -> None:
    with target(tmp_path) as (database, data):
        data.mkdir()
        (data / "flowbridge.db").write_bytes(b"this is no database" * 1000)
        with pytest.raises(StoreError, match="a store already exists"):
            put_back(packed, database, data)
        restored = put_back(packed, database, data, replace=True)
        assert restored.aside is not None and (
            restored.aside / "flowbridge.db"
        ).read_bytes().startswith(b"this is no database")
        assert copy.count_rows(database)["event"] == 5


def make_earlier_store(database: Database, data: Path) -> Event:
    """Make a store with one of everything that belongs to it, and return its event."""
    upgrade.upgrade(database)
    known = make_event("mine")
    events.add(database, known, [], lambda *_: [])
    database.close()
    BlobStore(data / "blobs").store(b"mine")
    (data / "secret_key").write_text("m" * 64)
    (data / "files").mkdir()
    (data / "files" / "mine.csv").write_text("mine")
    return known


def is_store(folder: Path, provider_ids: set[str], key: str, file: str) -> bool:
    """Return whether a folder has all that belongs to this store."""
    database = Database(f"sqlite:///{folder / 'flowbridge.db'}")
    with database.read() as connection:
        found = set(connection.execute(select(schema.event.c.provider_id)).scalars())
    database.close()
    return found == provider_ids and (
        (folder / "secret_key").read_text() == key * 64 and list(tree(folder / "files")) == [file]
    )


def killed_at_change(number: int, packed: Path, database: Database, data: Path) -> bool:
    """Restore in a process that is killed before this change to the file system, counted from
    where it replaces the store; return whether it was.
    """
    child = os.fork()
    if child == 0:
        changes = numbers_from(0)

        def kill(name: str, arguments: tuple[Any, ...]) -> None:
            writes = name == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if (writes or name in CHANGES) and next(changes) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        def put_in_place(*arguments: Any) -> Any:
            sys.addaudithook(kill)
            return replacing(*arguments)

        replacing = restore_module._put_in_place
        restore_module._put_in_place = put_in_place
        put_back(packed, database, data, replace=True)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


#: https://docs.python.org/3/library/audit_events.html
CHANGES = {"os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.utime"}


@pytest.mark.usefixtures("new_processes")
def test_a_restore_that_is_killed_leaves_one_whole_store_or_says_so(
    packed: Path, tmp_path: Path
) -> None:
    new = {f"id-{number}" for number in range(5)}
    outcomes = []
    for number in numbers_from(0):
        with target(tmp_path, f"target-{number}") as (database, data):
            make_earlier_store(database, data)
            if not killed_at_change(number, packed, database, data):
                break
            try:
                upgrade.upgrade(database)
            except StoreError as error:
                outcomes.append("said")
                assert "Next: if it was interrupted, run it again" in str(error)
                with packed.open("rb") as file:
                    restored = restore(file, database, data, NOW + 200, replace=True)
                assert f"the earlier store is in {restored.aside}" in str(error)
                assert is_store(restored.aside, {"mine"}, "m", "mine.csv")
                assert is_store(data, new, "k", "sub/kept.csv")
                continue
            is_old = is_store(data, {"mine"}, "m", "mine.csv")
            outcomes.append("old" if is_old else "new")
            assert is_old or is_store(data, new, "k", "sub/kept.csv")
    assert [one for one, _ in groupby(outcomes)] == ["old", "said", "new"]


def test_one_that_is_in_use_is_not_replaced(source: Database, packed: Path, tmp_path: Path) -> None:
    with source.read() as connection:
        connection.execute(text("SELECT 1 FROM event LIMIT 1")).all()
        another = Database(f"sqlite:///{source.path}")
        with pytest.raises(StoreError, match="is in use: stop flowbridge first"):
            put_back(packed, another, tmp_path / "source", replace=True)
        another.close()
    assert copy.count_rows(source)["event"] == 5


# -- nothing of it starts by itself


def test_what_was_under_way_is_settled_as_after_a_crash_and_held(
    source: Database, tmp_path: Path
) -> None:
    """One delivery is claimed with an attempt, one without; others are unknown, tracked or blocked,
    and local runs wait.
    """
    ids = {}
    for name in ("begun", "claimed", "queued", "unknown", "followed", "blocked"):
        event = make_event(name)
        in_line = name in ("queued", "blocked")
        delivery = make_delivery(
            event,
            "line" if in_line else name,
            order=Order(key="k") if in_line else None,
            platform="gumloop",
        )
        ids[name] = delivery.id
        events.add(source, event, [delivery], lambda *_: [])
    put(source, ids["unknown"], status="unknown", poll_at=NOW + 60)
    put(
        source,
        ids["followed"],
        status="delivered",
        poll_at=NOW,
        slot=True,
        run_id="r",
        run_state="running",
        delivered_at=NOW,
        on_run_failed="retry",
        run_retries=3,
    )
    put(source, ids["claimed"], status="sending", lease="w", lease_until=NOW + 10**9, slot=True)
    put(source, ids["begun"], status="sending", lease="w", lease_until=NOW + 10**9, slot=True)
    with source.engine.begin() as connection:
        connection.execute(
            insert(schema.attempt).values(delivery_id=ids["begun"], number=1, started_at=NOW)
        )
        runs.start(
            connection,
            make_local_run(id="run"),
        )
        connection.execute(
            insert(schema.worker).values(id="w", host="h", pid=1, started_at=NOW, seen_at=NOW)
        )
    files.create(source, tmp_path / "source", tmp_path / "x.tar", NOW)
    with target(tmp_path) as (database, data):
        waiting = put_back(tmp_path / "x.tar", database, data).waiting
        assert (waiting.before, waiting.after, waiting.unknown, waiting.runs) == (5 + 3, 0, 2, 1)
        with database.read() as connection:
            rows = {row.id: row for row in connection.execute(select(schema.delivery))}
            held = hold.read_hold(connection)
            assert connection.execute(select(schema.worker)).all() == []
        assert held is not None and (held.since, held.taken_at) == (NOW + 100, NOW)
        standing = {name: rows[ids[name]].status for name in ids}
        assert standing == {
            "begun": "unknown",
            "claimed": "queued",
            "queued": "queued",
            "unknown": "unknown",
            "followed": "delivered",
            "blocked": "blocked",
        }
        assert rows[ids["unknown"]].poll_at is None, (
            "its run may have been found, or followed by another, since"
        )
        assert rows[ids["begun"]].poll_at is None
        assert (rows[ids["followed"]].on_run_failed, rows[ids["followed"]].poll_at) == ("dead", NOW)
        assert checkup.check_database(database)["problems"] == []
        assert database.write(hold.release) and not database.write(hold.release)
        allowed = ClaimLimits(caps={"local": 9, "gumloop": 9})
        assert (
            len(
                database.write(
                    lambda connection: claims.claim(
                        connection, allowed, limit=99, now=NOW + 200, lease="w"
                    )
                )
            )
            == 7
        )


def test_no_access_token_of_a_backup_is_valid_after_a_restore(
    source: Database, tmp_path: Path
) -> None:
    """A token that was removed after the backup would be valid again."""
    leaked, secret = create_token(source, "leaked", "act", None, now=NOW)
    create_token(source, "other", "read", "90d", now=NOW)
    files.create(source, tmp_path / "source", tmp_path / "x.tar", NOW)
    remove_token(source, leaked.id)
    with target(tmp_path) as (database, data):
        assert put_back(tmp_path / "x.tar", database, data).removed_tokens == 2
        assert tokens.list_tokens(database) == []
        assert authenticate_token(database, secret, NOW) is None
    files.create(source, tmp_path / "source", tmp_path / "y.tar", NOW)
    remove_token(source, "other")
    files.create(source, tmp_path / "source", tmp_path / "z.tar", NOW)
    for name, count in (("y", 1), ("z", 0)):
        with target(tmp_path, name) as (database, data):
            restored = put_back(tmp_path / f"{name}.tar", database, data)
            assert restored.removed_tokens == count


def test_no_session_of_the_console_is_valid_after_a_restore(
    source: Database, tmp_path: Path
) -> None:
    """It may have ended since the backup."""
    session = sessions.StoredSession(
        kind="ticket", of="", name="ann@here", scopes="admin", began_at=NOW, used_at=NOW
    )
    sessions.add(source, "a-cookie", session)
    files.create(source, tmp_path / "source", tmp_path / "x.tar", NOW)
    with target(tmp_path) as (database, data):
        put_back(tmp_path / "x.tar", database, data)
        assert sessions.read(source, "a-cookie", NOW) == session
        assert sessions.read(database, "a-cookie", NOW) is None


def test_a_store_with_only_a_token_is_not_replaced_unasked(packed: Path, tmp_path: Path) -> None:
    with target(tmp_path) as (database, data):
        upgrade.upgrade(database)
        create_token(database, "new", "read", None, now=NOW)
        with pytest.raises(StoreError, match="a store already exists"):
            put_back(packed, database, data)
        assert [one.name for one in tokens.list_tokens(database)] == ["new"]


# -- of a store in use


@pytest.mark.usefixtures("new_processes")
def test_a_backup_under_load_restores_to_a_consistent_ledger(tmp_path: Path) -> None:
    """It contains every event acknowledged before it began, with its delivery; and starts no flow."""
    (tmp_path / "live").mkdir()
    acked: list[str] = []
    with Bridge(tmp_path / "live") as bridge:
        over = threading.Event()

        def send() -> None:
            while not over.is_set():
                answer = bridge.event(b'{"pad":"%s"}' % (b"x" * 3000))
                assert answer.status == 202
                acked.append(answer.json["event_id"])
                time.sleep(0.01)

        threads = [threading.Thread(target=send) for _ in range(3)]
        for one in threads:
            one.start()
        taken = []
        try:
            for number in range(3):
                until(lambda number=number: len(acked) > 30 * (number + 1), what="load")  # type: ignore[misc]
                before = set(acked)
                path = tmp_path / f"{number}.tar"
                done = run_cli(bridge, "db", "backup", str(path), "--json")
                assert done.returncode == 0, done.stderr
                assert json.loads(done.stdout)["verified"] is True
                taken.append((path, before))
        finally:
            over.set()
            for one in threads:
                one.join()
        assert bridge.stop() == 0
        assert checkup.check_database(bridge.database)["problems"] == []
    for path, before in taken:
        with target(tmp_path, path.stem) as (database, data), path.open("rb") as file:
            restored = restore(file, database, data, time.time())
            books = census.read_rows(database)
            assert {one.id for one in books.events} >= before
            assert {one.event_id for one in books.deliveries} == {one.id for one in books.events}
            assert checkup.check_database(database)["problems"] == []
            assert restored.waiting.before == sum(
                one.status == "queued" for one in books.deliveries
            )


@pytest.mark.usefixtures("new_processes")
def test_a_restored_bridge_receives_and_starts_nothing_until_it_is_released(tmp_path: Path) -> None:
    with Bridge(tmp_path) as bridge:
        first = bridge.event().json["event_id"]
        bridge.wait_for(first, lambda one: one.run_state == "done")
        assert run_cli(bridge, "db", "hold").returncode == 0
        until(lambda: "starts_held" in bridge.stderr, what="a worker that takes notice")
        second = bridge.event(b'{"n":2}').json["event_id"]
        backup_path = tmp_path / "x.tar"
        assert run_cli(bridge, "db", "backup", str(backup_path)).returncode == 0
        done = run_cli(bridge, "db", "restore", str(backup_path), "--replace", "--yes")
        assert done.returncode == 1 and "is in use" in done.stderr
        bridge.stop()
        bridge.database.close()
        bridge._database = None
        done = run_cli(bridge, "db", "restore", str(backup_path), "--replace", "--yes")
        assert (
            done.returncode == 0
            and "1 delivery and 0 runs of the local platform were waiting" in done.stderr
        )
        bridge.start()
        third = bridge.event(b'{"n":3}').json["event_id"]
        assert bridge.count("delivery", "status = 'queued'") == 2
        time.sleep(1.0)
        assert bridge.count("delivery", "status = 'queued'") == 2
        shown = json.loads(run_cli(bridge, "show", third, "--json").stdout)
        assert shown["deliveries"][0]["waits_for"]["kind"] == "hold"
        [found] = [json.loads(run_cli(bridge, "db", "release", "--dry-run", "--json").stdout)]
        assert (found["before"], found["after"]) == (1, 1) and found["backup_taken_at"]
        cancelled = run_cli(bridge, "cancel", "--until", found["since"], "--yes")
        assert cancelled.returncode == 0, cancelled.stderr
        assert run_cli(bridge, "db", "release", "--yes").returncode == 0
        bridge.wait_for(third, lambda one: one.run_state == "done")
        assert bridge.found(second).deliveries[0].status == "cancelled"


def run_cli(bridge: Bridge, *arguments: str) -> subprocess.CompletedProcess[str]:
    return call(bridge.folder, "--config", str(bridge.config), *arguments, environ=bridge.environ)


# -- the command line, and those that are made by themselves


def test_the_commands(folder: Path, store: Database) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    events.add(store, make_event("1"), [], lambda *_: [])
    (made,) = lines(run("db", "backup", "--json"))
    path = Path(made["path"])
    assert path.parent == folder / "data" / "backups" and (
        made["rows"]["event"],
        made["verified"],
    ) == (1, True)
    assert run("db", "backup", str(path)).exit_code == 1, "it already exists"
    unmounted = run("db", "backup", f"{folder}/disk/")
    assert unmounted.exit_code == 1 and f"there is no folder {folder}/disk/" in unmounted.stderr
    assert not (folder / "disk").exists()
    second = run("db", "backup", str(folder / "second.tar"))
    assert "Not in it: routes.yaml, flows.py, and .env with the secrets" in second.stderr
    (inside,) = lines(run("db", "restore", str(path), "--dry-run", "--json"))
    assert inside["rows"]["event"] == 1 and inside["missing"] == []
    assert "the backup is complete" in run("db", "restore", str(path), "--dry-run").stdout
    refused = run("db", "restore", str(path), "--yes")
    assert refused.exit_code == 1 and "a store already exists" in refused.stderr
    assert run("db", "restore", str(path)).stderr == refused.stderr, (
        "nobody is asked for what is not done"
    )
    (folder / "x.tar").write_bytes(b"no backup")
    with tarfile.open(folder / "y.tar", "w") as tar:
        tar.add(folder / "x.tar", "x.tar")
    for name, why in (("x.tar", "it cannot be read"), ("y.tar", "which is not part of a backup")):
        wrong = run("db", "restore", name, "--replace")
        assert wrong.exit_code == 1 and f"{name} is not restored: it " in wrong.stderr
        assert why in wrong.stderr, "before anybody is asked"
    asked = run("db", "restore", str(path), "--replace")
    assert asked.exit_code == 2 and "pass --yes" in asked.stderr
    store.close()
    (restored,) = lines(run("db", "restore", str(path), "--replace", "--yes", "--json"))
    assert restored["rows"]["event"] == 1 and Path(restored["aside"]).is_dir()
    assert restored["removed_tokens"] == 0
    assert lines(run("token", "add", "ci", "--scope", "read", "--json"))
    (made,) = lines(run("db", "backup", str(folder / "with-token.tar"), "--json"))
    said = run("db", "restore", made["path"], "--replace", "--yes")
    assert said.exit_code == 0
    assert "1 access token removed" in said.stderr
    assert "flowbridge token add new-read --scope read" in said.stderr
    assert lines(run("token", "list", "--json")) == []
    actions = [one["action"] for one in lines(run("audit", "--json"))]
    assert actions == ["store_restored", "token_added", "store_restored"]
    assert run("db", "restore", "nothing.tar").exit_code == 1


def test_postgresql_is_left_to_its_own_tools(
    folder: Path, monkeypatch: pytest.MonkeyPatch, postgres_database: str
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_DATABASE_URL", postgres_database)
    for arguments in (("backup",), ("restore", __file__, "--yes")):
        done = run("db", *arguments)
        assert (
            done.exit_code == 1
            and f"pg_{'dump' if arguments[0] == 'backup' else 'restore'} --" in done.stderr
        )
    done = run("db", "vacuum")
    assert done.exit_code == 1


def test_too_little_room_is_said_before_anything_is_written(
    source: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.db.disk_space.free_space", lambda _: (1000, 100))
    with pytest.raises(StoreError, match="write it to another disk, or to a pipe"):
        files.create(source, tmp_path / "source", tmp_path / "x.tar", NOW)
    assert not (tmp_path / "x.tar").exists()


def test_the_newest_are_kept(tmp_path: Path) -> None:
    assert age.is_due(tmp_path, 3600)
    for hour in range(5):
        (tmp_path / archive.backup_name(NOW + hour * 3600)).write_bytes(b"")
    (tmp_path / "flowbridge-mine.tar").write_bytes(b"")
    assert files.rotate(tmp_path, 2) == 3
    assert [one.name for one in age.list_backups(tmp_path)] == [
        archive.backup_name(NOW + hour * 3600) for hour in (3, 4)
    ]
    assert (tmp_path / "flowbridge-mine.tar").exists()
    assert not age.is_due(tmp_path, 3600)
    for one in age.list_backups(tmp_path):
        os.utime(one, (NOW, NOW))
    assert age.is_due(tmp_path, 3600)


def test_a_local_run_that_was_under_way_is_not_begun_again_before_the_release(
    source: Database,
) -> None:
    with source.engine.begin() as connection:
        runs.start(
            connection,
            make_local_run(id="run"),
        )
        connection.execute(
            update(schema.local_run).values(state="RUNNING", lease="w", lease_until=NOW)
        )
        hold.mark_restored(connection, NOW, NOW + 1)
        assert hold.count_held(connection, NOW + 1).runs == 0
        runs.abandon_running(connection, NOW + 100)
        assert connection.execute(text("SELECT state FROM local_run")).scalar_one() == "FAILED"
