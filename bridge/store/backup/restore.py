"""Restore a backup: completely or not at all.

The previous store is moved aside, and the restored one starts no flows until it is released.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from sqlalchemy import select

from bridge.core.audit import AuditEntry
from bridge.core.errors import StoreError
from bridge.store.backup import extraction
from bridge.store.backup.manifest import DATABASE, KEY, Manifest
from bridge.store.backup.scratch import make_scratch
from bridge.store.backup.secret_key import KeyChange, find_key_change
from bridge.store.db import snapshot
from bridge.store.db.database import Database, file_lock
from bridge.store.db.sqlite_file import RestoreNotice, read_notice
from bridge.store.migrations import upgrade
from bridge.store.operations import copy
from bridge.store.queue import hold
from bridge.store.queue.hold import HeldCounts
from bridge.store.tables.schema import learned
from bridge.system.fsync import sync_path

#: Tables whose rows must not be lost; every start writes to the others.
PROTECTED_TABLES: Final = (
    "event",
    "delivery",
    "reject",
    "act",
    "learned",
    "local_run",
    "local_file",
    "token",
    "audit",
)


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """The result of a restore: manifest, the secret key after it, waiting work, access tokens of
    the backup that were removed, and the folder of the previous store, if any.
    """

    manifest: Manifest
    key: KeyChange
    waiting: HeldCounts
    removed_tokens: int
    aside: Path | None


@dataclass(frozen=True, slots=True)
class _PreparedStore:
    """The unpacked database: its waiting work, removed access tokens, and learned secrets."""

    waiting: HeldCounts
    removed_tokens: int
    learned: dict[str, str]


def has_data(database: Database) -> bool:
    """Return whether a store with data would be replaced."""
    if not database.path.exists() or database.path.stat().st_size == 0:
        return False
    try:
        if upgrade.read_revision(database) is None:
            return True
        counts = copy.count_rows(database)
    except StoreError:  # another schema, or damaged
        return True
    return any(counts[name] for name in PROTECTED_TABLES)


def restore(
    source: IO[bytes],
    database: Database,
    data: Path,
    now: float,
    *,
    replace: bool = False,
    set_key: str = "",
    agree: Callable[[Manifest, KeyChange], bool] = lambda *_: True,
    entry_of: Callable[[Manifest], AuditEntry] | None = None,
) -> RestoreResult | None:
    """Restore a backup to `database` and the data folder; None where `agree` returns False.

    Raises `StoreError` or OSError. Then the earlier store is there as it was, or an error or a kill
    interrupted its replacement: the database is a notice (see `sqlite_file`), which every process
    refuses until another restore replaces it.

    `replace`: replace an existing store, which is moved to a folder beside it. `set_key`: the
    secret key of the environment, which any other yields to. `agree` is called once the backup is
    verified, before anything is replaced. `entry_of` returns the entry for the audit log of the
    restored store.
    """
    if not database.is_sqlite:
        raise StoreError(
            "flowbridge does not restore PostgreSQL; use pg_restore: pg_restore --dbname=URL FILE"
        )
    if not replace and has_data(database):
        raise StoreError(
            f"a store already exists ({database.path}); --replace moves it aside and restores the"
            " backup in its place"
        )
    database.close()
    database.path.parent.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    with (
        make_scratch(database.path.parent) as scratch,
        extraction.unpack_temporarily(source, scratch) as (folder, manifest),
    ):
        extraction.verify_database(folder, manifest)
        prepared = _prepare(
            Database(f"sqlite:///{folder / DATABASE}", database.sealer),
            manifest,
            now,
            None if entry_of is None else entry_of(manifest),
        )
        included = _read_key(folder)
        used = set_key or included or _read_key(data)
        key = find_key_change(manifest, included, used, database.sealer.given, prepared.learned)
        if not agree(manifest, key):
            return None
        with _exclusive_use(database.path):
            aside = _put_in_place(folder, database.path, data, now)
    return RestoreResult(manifest, key, prepared.waiting, prepared.removed_tokens, aside)


def _read_key(folder: Path) -> str:
    """Return the secret key in a folder; empty where there is none."""
    path = folder / KEY
    return path.read_text("utf-8", "replace").strip() if path.exists() else ""


def _prepare(
    database: Database, manifest: Manifest, now: float, entry: AuditEntry | None
) -> _PreparedStore:
    """Migrate the unpacked database to this version's schema, and mark its contents as restored."""
    path = database.path
    try:
        upgrade.upgrade(database)  # refuses a newer schema
        removed_tokens = database.write(
            lambda connection: hold.mark_restored(connection, manifest.taken_at, now, entry)
        )
        with database.read() as connection:
            waiting = hold.count_held(connection, now)
            rows = connection.execute(select(learned).where(learned.c.sealed.is_not(None)))
            secrets = {row.source: row.sealed for row in rows}
    finally:
        database.close()
    if not snapshot.remove_wal(path):
        raise StoreError("another process has opened the unpacked database")
    sync_path(path)
    return _PreparedStore(waiting, removed_tokens, secrets)


@contextmanager
def _exclusive_use(path: Path) -> Iterator[None]:
    """Prevent other processes from using the database. Raises `StoreError` if it is in use."""
    in_use = StoreError(
        f"{path} is in use: stop flowbridge first (for the service: systemctl stop"
        " flowbridge.socket flowbridge-private.socket flowbridge)"
    )
    leader = os.open(
        path.with_name(path.name + ".leader"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
    )
    try:
        fcntl.flock(leader, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with file_lock(path, "lock"):
            if path.exists():
                with suppress(
                    StoreError
                ):  # no process can use a database that is too damaged to read
                    if not snapshot.remove_wal(path):
                        raise _InUse
            yield
    except (BlockingIOError, _InUse):
        raise in_use from None
    finally:
        os.close(leader)


class _InUse(Exception):
    """Another process has the database open."""


def _put_in_place(folder: Path, path: Path, data: Path, now: float) -> Path | None:
    """Move the unpacked files to their places, and return the folder of the earlier store.

    While files of both stores are there, the database is a notice.
    """
    earlier = read_notice(path) if path.exists() else None
    # after a restore that was interrupted: what is there now is not whole
    aside = _copy_aside(path, data, now) if earlier is None else earlier.folder
    _merge(folder / "blobs", data / "blobs")
    _put_notice(folder, path, aside)
    for companion in _beside(path):
        companion.unlink(missing_ok=True)
    if (data / "files").exists():
        shutil.rmtree(data / "files")  # already copied aside
    for name in ("files", KEY):
        if (folder / name).exists():
            shutil.move(folder / name, data / name)
    sync_path(data)
    (folder / DATABASE).rename(path)
    sync_path(path.parent)
    return aside


def _copy_aside(path: Path, data: Path, now: float) -> Path | None:
    """Copy the earlier store to a folder, durably, and return the folder; null without a store."""
    aside = data / f"replaced-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
    originals = [
        candidate
        for candidate in (path, *_beside(path), data / KEY, data / "blobs", data / "files")
        if candidate.exists()
    ]
    for original in originals:
        _copy_one_aside(original, aside / original.name)
    if not originals:
        return None
    for changed, _, _ in os.walk(aside):
        sync_path(Path(changed))
    sync_path(data)
    return aside


def _put_notice(folder: Path, path: Path, aside: Path | None) -> None:
    """Put the notice of a restore in the place of the database, durably."""
    notice = folder / "notice"
    with notice.open("xb") as file:
        file.write(RestoreNotice(aside).to_bytes())
        file.flush()
        os.fsync(file.fileno())
    notice.rename(path)
    sync_path(path.parent)


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]


def _copy_one_aside(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link, symlinks=True)
    else:
        _link(source, target)


def _link(source: str | Path, target: str | Path) -> None:
    """Give a file a second name, which remains in the end; copy it if links are unsupported."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _merge(unpacked: Path, blobs: Path) -> None:
    """Move blobs to the existing ones; one with the same name has the same content."""
    for blob in unpacked.glob("*/*"):
        place = blobs / blob.parent.name / blob.name
        if not place.exists():
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # another file system may hold the place: it then copies, and may be interrupted
            draft = place.with_name(f"{place.name}.restored")
            shutil.move(blob, draft)
            draft.rename(place)
        os.utime(place)  # its owner is stored soon: see `BlobStore.sweep`
