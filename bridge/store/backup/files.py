"""Backup files in a folder: create and verify a new one, and delete the oldest."""

from __future__ import annotations

import os
from pathlib import Path

from bridge.core.errors import StoreError
from bridge.core.units import MIB
from bridge.store.backup import archive, extraction
from bridge.store.backup.age import list_backups
from bridge.store.backup.archive import Advance
from bridge.store.backup.manifest import Manifest
from bridge.store.backup.scratch import make_scratch
from bridge.store.db import disk_space
from bridge.store.db.database import Database
from bridge.system.fsync import sync_path


def estimate_size(database: Database, data: Path) -> int:
    """Estimate the size of a backup in bytes."""
    folders = (data / "blobs", data / "files")
    others = sum(
        path.stat().st_size
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
    return database.path.stat().st_size + others if database.path.exists() else others


def create(
    database: Database,
    data: Path,
    path: Path,
    now: float,
    advance: Advance = lambda _: None,
    *,
    secret_key: str = "",
    with_key: bool = False,
) -> Manifest:
    """Write a backup to a new file, readable by its owner only, and verify it by restoring it.

    `secret_key`: the key of the bridge, which is a part of the backup only `with_key`.

    `advance` is called with the number of bytes, when written and again when read. On `StoreError`
    or OSError, no file is left; what a killed process leaves, the next backup deletes.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_disk(path.parent, estimate_size(database, data))
    if path.exists():
        raise StoreError(f"{path} already exists")
    with make_scratch(path.parent) as scratch:
        draft = scratch / path.name
        descriptor = os.open(
            draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with os.fdopen(descriptor, "w+b") as file:
            manifest = archive.write(
                database,
                data,
                file,
                scratch,
                now,
                advance,
                secret_key=secret_key,
                with_key=with_key,
            )
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            extraction.verify(file, scratch, advance)
        draft.rename(path)
    sync_path(path.parent)
    return manifest


def rotate(folder: Path, max_backups: int) -> int:
    """Delete the oldest backups in a folder, except the newest `max_backups`; return how many."""
    old = list_backups(folder)[:-max_backups]
    for backup in old:
        backup.unlink(missing_ok=True)
    return len(old)


def _check_disk(folder: Path, size: int) -> None:
    left, reserve = disk_space.free_space(folder)
    needed = 2 * size + reserve  # the file, and its unpacked contents for verification
    if left < needed:
        raise StoreError(
            f"a backup in {folder} needs {needed / MIB:.0f} MiB until it is verified, but the disk"
            f" has {left / MIB:.0f} MiB left; write it to another disk, or to a pipe"
        )
