"""Read a backup: unpack it, and check that it is complete and undamaged."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from bridge.core.errors import StoreError
from bridge.store.backup import bounded_tar
from bridge.store.backup.archive import CHUNK_BYTES, Advance
from bridge.store.backup.manifest import (
    BLOB_NAME,
    DATABASE,
    KEY,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    Manifest,
    parse_manifest,
)
from bridge.store.db.database import Database
from bridge.store.db.disk_space import free_space
from bridge.store.migrations import upgrade
from bridge.store.operations import checkup
from bridge.store.operations import copy as copy_operation
from bridge.store.tables.schema import HEAD


def unpack(source: IO[bytes], folder: Path, advance: Advance = lambda _: None) -> Manifest:
    """Unpack a backup into an empty folder, verify its contents, and return its manifest.

    Raises `StoreError`.
    """
    found: dict[str, tuple[int, str]] = {}
    blobs = 0
    text = None
    try:
        for tar, entry in bounded_tar.read_entries(source):
            if text is not None:
                raise StoreError("it contains data after its manifest")
            if entry.name == MANIFEST and entry.isreg() and entry.size <= MAX_MANIFEST_BYTES:
                text = _reader(tar, entry).read()
                continue
            size, digest = _unpack_one(tar, entry, folder, advance)
            blob = BLOB_NAME.fullmatch(entry.name)
            blobs += blob is not None
            # a blob with another name is encrypted, and listed in the manifest
            if blob is None or digest != blob[2]:
                found[entry.name] = size, digest
    except bounded_tar.READ_ERRORS as error:
        raise StoreError(f"it cannot be read: {error}") from error
    if text is None:
        raise StoreError("it has no manifest: it is not a flowbridge backup, or is truncated")
    manifest = parse_manifest(text)
    if damaged := sorted(
        name for name in found if BLOB_NAME.fullmatch(name) and name not in manifest.files
    ):
        raise StoreError(f"{damaged[0]} is damaged")
    if wrong := sorted(
        name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name)
    ):
        raise StoreError(f"{wrong[0]} does not match its manifest")
    if blobs != manifest.blobs or DATABASE not in found:
        raise StoreError(
            f"it has {blobs} of {manifest.blobs} blobs"
            if DATABASE in found
            else "it has no database"
        )
    return manifest


def _reader(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    reader = tar.extractfile(entry)
    if reader is None:
        raise StoreError(f"{entry.name[:100]!r} is not a file")
    return reader


def _unpack_one(
    tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path, advance: Advance
) -> tuple[int, str]:
    """Write one file. Names are untrusted: only those that a backup contains are accepted."""
    parts = PurePosixPath(entry.name).parts
    fits = (
        entry.name in (DATABASE, KEY)
        or BLOB_NAME.fullmatch(entry.name)
        or (
            parts[:1] == ("files",)
            and len(parts) > 1
            and ".." not in parts
            and "\0" not in entry.name
            and "/".join(parts) == entry.name
        )
    )
    if not fits or not entry.isreg():
        raise StoreError(f"it contains {entry.name[:100]!r}, which is not part of a backup")
    path = folder.joinpath(*parts)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    digest = hashlib.sha256()
    reader = _reader(tar, entry)
    size = 0
    with os.fdopen(descriptor, "wb") as file:
        while piece := reader.read(CHUNK_BYTES):
            _check_disk(folder, len(piece))
            file.write(piece)
            digest.update(piece)
            size += len(piece)
            advance(len(piece))
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def _check_disk(folder: Path, size: int) -> None:
    """Raise `StoreError` if a file would leave less space than the existing store needs."""
    left, reserve = free_space(folder)
    if left - size < reserve:
        raise StoreError("its unpacked contents do not fit on the disk")


def verify(source: IO[bytes], scratch: Path, advance: Advance = lambda _: None) -> Manifest:
    """Restore a backup into a temporary folder, verify it, and delete the folder.

    Raises `StoreError` if it is incomplete or damaged.
    """
    with unpack_temporarily(source, scratch, advance) as (folder, manifest):
        verify_database(folder, manifest)
        return manifest


@contextmanager
def unpack_temporarily(
    source: IO[bytes], scratch: Path, advance: Advance = lambda _: None
) -> Iterator[tuple[Path, Manifest]]:
    """Unpack a backup into a temporary folder, and delete the folder afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="restore-", dir=scratch))
    try:
        yield folder, unpack(source, folder, advance)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def verify_database(folder: Path, manifest: Manifest) -> None:
    """Raise `StoreError` if the database in a folder is damaged, or does not match the manifest."""
    database = Database(f"sqlite:///{folder / DATABASE}")
    try:
        if damaged := checkup.find_damage(database):
            raise StoreError(f"its database is damaged: {damaged[0]}")
        if (schema := upgrade.read_revision(database)) != manifest.schema:
            raise StoreError(
                f"its database has schema {schema}, but its manifest says {manifest.schema}"
            )
        if schema == HEAD and (rows := copy_operation.count_rows(database)) != manifest.rows:
            raise StoreError(f"its database has rows {rows}, but its manifest says {manifest.rows}")
    finally:
        database.close()
