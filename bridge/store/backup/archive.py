"""Write a backup: one tar file with the database, its blobs, and files of flows.

The database is copied as of one moment. docs/backup.md lists the contents. The manifest comes
last, so a truncated file has none.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import orjson

from bridge.core.errors import StoreError
from bridge.store.backup.manifest import (
    DATABASE,
    KEY,
    MANIFEST,
    Manifest,
)
from bridge.store.backup.secret_key import check_of
from bridge.store.blobs import BlobStore
from bridge.store.db import snapshot
from bridge.store.db.database import Database
from bridge.store.inbound import blob_owners
from bridge.store.migrations import upgrade
from bridge.store.operations import copy as copy_operation
from bridge.store.tables.schema import HEAD, describe_other_schema

CHUNK_BYTES: Final = 1024 * 1024  # bytes that are read at once
Advance = Callable[[int], None]


def backup_name(now: float) -> str:
    """Return the name of a backup made at this time."""
    return f"flowbridge-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}.tar"


def write(
    database: Database,
    data: Path,
    target: IO[bytes],
    scratch: Path,
    now: float,
    advance: Advance = lambda _: None,
    *,
    secret_key: str = "",
    with_key: bool = False,
) -> Manifest:
    """Write a backup to `target` while flowbridge runs; `scratch` holds a temporary database copy.

    `secret_key`: the key of the bridge, which is a part of the backup only `with_key`. `advance` is
    called with the number of bytes written. Raises `StoreError` or OSError.
    """
    if not database.is_sqlite:
        raise StoreError(
            "flowbridge does not back up PostgreSQL; use pg_dump: pg_dump --format=custom"
            " --file=FILE URL"
        )
    if with_key and not secret_key:
        raise StoreError("there is no secret key to include: flowbridge has not made one yet")
    if not database.path.exists():
        raise StoreError(f"no database at {database.path}: no events were received yet")
    blobs = BlobStore(data / "blobs", database.sealer)
    with (
        blobs.prevent_deletion(),
        tempfile.TemporaryDirectory(prefix="backup-", dir=scratch) as folder,
    ):
        copy = Path(folder) / DATABASE
        snapshot.copy_database(database.path, copy)
        taken = Database(f"sqlite:///{copy}", database.sealer)
        try:
            _check_integrity(taken)
            if (schema := upgrade.read_revision(taken)) != HEAD:
                raise StoreError(f"the database has {describe_other_schema(schema)}")
            rows = copy_operation.count_rows(taken)
            check = check_of(secret_key)
            manifest = Manifest(taken_at=now, schema=HEAD, rows=rows, key_check=check)
            owned = sorted(blob_owners.owned_digests(taken))
        finally:
            taken.close()
        snapshot.remove_wal(copy)
        others = [*_other_files(data)]
        if with_key:
            key = Path(folder) / KEY
            key.touch(0o600)
            key.write_text(secret_key)
            others = [(KEY, key), *others]
        return _pack(manifest, [(DATABASE, copy), *others], blobs, owned, target, advance)


def _check_integrity(database: Database) -> None:
    with database.read() as connection:
        reports = [row[0] for row in connection.exec_driver_sql("PRAGMA quick_check(5)")]
    if reports != ["ok"]:
        raise StoreError(f"the database is damaged, no backup was made: {reports[0]}")


def _pack(
    manifest: Manifest,
    files: Iterable[tuple[str, Path]],
    blobs: BlobStore,
    owned: list[str],
    target: IO[bytes],
    advance: Advance,
) -> Manifest:
    count = 0
    size = 0
    missing: list[str] = []
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, path in files:
            manifest.files[name] = _add(tar, name, path, int(manifest.taken_at), advance)
        for digest in owned:
            path = blobs.path(digest)
            if not path.exists():
                missing.append(digest)
                continue
            name = f"blobs/{path.name[:2]}/{path.name}"
            added = _add(tar, name, path, int(manifest.taken_at), advance)
            count = count + 1
            size = size + added[0]
            if path.name != digest:
                manifest.files[name] = added
        manifest = Manifest(
            **asdict(manifest) | {"blobs": count, "blob_bytes": size, "missing": missing}
        )
        text = orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2)
        tar.addfile(_entry(MANIFEST, len(text), int(manifest.taken_at)), io.BytesIO(text))
    return manifest


def _other_files(data: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files of flows; no links, which could point anywhere."""
    for folder, folders, names in os.walk(data / "files"):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(data).as_posix(), path


def _entry(name: str, size: int, at: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o600
    entry.mtime = at
    return entry


class _HashingReader(io.RawIOBase):
    """Reads a fixed number of bytes of a file that may grow, and hashes them."""

    def __init__(self, file: IO[bytes], size: int, advance: Advance) -> None:
        self._file = file
        self._left = size
        self._advance = advance
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(min(self._left, CHUNK_BYTES if size < 0 else size))
        if not piece and self._left:
            raise StoreError("a file was truncated during the backup")
        self._left -= len(piece)
        self.digest.update(piece)
        self._advance(len(piece))
        return piece


def _add(tar: tarfile.TarFile, name: str, path: Path, at: int, advance: Advance) -> tuple[int, str]:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        reader = _HashingReader(file, size, advance)
        tar.addfile(_entry(name, size, at), reader)
    return size, reader.digest.hexdigest()
