"""A backup: one tar file with the database as of one moment, the bytes of files that it names, the
secret key, and what flows have written.

What is in it is in docs/operations.md. The manifest comes last, so that a file that was cut off is
known by not having one.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Final

import orjson

from bridge import __version__
from bridge.core.errors import StoreError
from bridge.store.backup import bounded_tar
from bridge.store.blobs import Blobs
from bridge.store.db import snapshot
from bridge.store.db.database import Database
from bridge.store.db.disk_space import free
from bridge.store.inbound import blob_owners
from bridge.store.migrations import upgrade
from bridge.store.operations import checkup
from bridge.store.operations import copy as copy_operation
from bridge.store.tables.schema import HEAD

FORMAT: Final = 2
PLAIN: Final = 1  # the format of one without sealed blobs, which earlier versions read, too
DATABASE = "flowbridge.db"
KEY = "secret_key"
MANIFEST = "manifest.json"
PIECE: Final = 1024 * 1024  # bytes that are read at once
LONGEST_MANIFEST: Final = 256 * 1024 * 1024
BLOB: Final = re.compile(r"blobs/([0-9a-f]{2})/(\1[0-9a-f]{62})")
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself.

    `files`: name -> (bytes, SHA-256) of what is no blob, and of sealed blobs, whose names do not
    follow from what is in the file;
    `missing`: blobs that were not there.
    """

    format: int = PLAIN
    flowbridge: str = __version__
    taken_at: float
    schema: str
    rows: dict[str, int]
    files: dict[str, tuple[int, str]] = field(default_factory=dict)
    blobs: int = 0
    blob_bytes: int = 0
    missing: list[str] = field(default_factory=list)


def name_of(now: float) -> str:
    """Return the name of a backup that is taken then."""
    return f"flowbridge-{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}.tar"


def write(
    database: Database,
    data: Path,
    target: IO[bytes],
    scratch: Path,
    now: float,
    advance: Advance = lambda _: None,
) -> Manifest:
    """Write a backup to `target` while flowbridge runs; a copy of the database lies in the folder
    `scratch` meanwhile.

    `advance` is told how many bytes were written. Raises `StoreError` or OSError.
    """
    if not database.is_sqlite:
        raise StoreError(
            "a PostgreSQL database is backed up with pg_dump: pg_dump --format=custom"
            " --file=FILE URL"
        )
    if not database.path.exists():
        raise StoreError(f"there is no database {database.path}: nothing was received yet")
    blobs = Blobs(data / "blobs", database.sealer)
    with blobs.still(), tempfile.TemporaryDirectory(prefix="backup-", dir=scratch) as folder:
        copy = Path(folder) / DATABASE
        snapshot.take(database.path, copy)
        taken = Database(f"sqlite:///{copy}", database.sealer)
        try:
            _must_be_whole(taken)
            if (schema := upgrade.revision(taken)) != HEAD:
                raise StoreError(
                    f"the database has schema {schema}, this flowbridge wants {HEAD}:"
                    f" {upgrade.remedy(schema)}"
                )
            manifest = Manifest(taken_at=now, schema=HEAD, rows=copy_operation.count(taken))
            owned = sorted(blob_owners.owned(taken))
        finally:
            taken.close()
        snapshot.close(copy)
        return _pack(manifest, copy, data, blobs, owned, target, advance)


def _must_be_whole(database: Database) -> None:
    with database.read() as connection:
        found = [row[0] for row in connection.exec_driver_sql("PRAGMA quick_check(5)")]
    if found != ["ok"]:
        raise StoreError(f"the database is damaged, so no backup of it was made: {found[0]}")


def _pack(
    manifest: Manifest,
    copy: Path,
    data: Path,
    blobs: Blobs,
    owned: list[str],
    target: IO[bytes],
    advance: Advance,
) -> Manifest:
    count = 0
    size = 0
    form = PLAIN
    missing: list[str] = []
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, path in [(DATABASE, copy), *_others(data)]:
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
                manifest.files[name], form = added, FORMAT
        manifest = Manifest(
            **asdict(manifest)
            | {
                "format": form,
                "blobs": count,
                "blob_bytes": size,
                "missing": missing,
            }
        )
        text = orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2)
        tar.addfile(_entry(MANIFEST, len(text), int(manifest.taken_at)), io.BytesIO(text))
    return manifest


def _others(data: Path) -> Iterator[tuple[str, Path]]:
    """The secret key, and what flows have written; no links, which could lead anywhere."""
    if (data / KEY).is_file():
        yield KEY, data / KEY
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


class _Hashing(io.RawIOBase):
    """Reads just so many bytes of a file, which may grow, and hashes them."""

    def __init__(self, file: IO[bytes], size: int, advance: Advance) -> None:
        self._file = file
        self._left = size
        self._advance = advance
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(min(self._left, PIECE if size < 0 else size))
        if not piece and self._left:
            raise StoreError("a file became shorter while it was read")
        self._left -= len(piece)
        self.digest.update(piece)
        self._advance(len(piece))
        return piece


def _add(tar: tarfile.TarFile, name: str, path: Path, at: int, advance: Advance) -> tuple[int, str]:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        reader = _Hashing(file, size, advance)
        tar.addfile(_entry(name, size, at), reader)
    return size, reader.digest.hexdigest()


# -- reading one


def begins(source: IO[bytes]) -> None:
    """Raise `StoreError` where what a file begins with is no backup. It stands at its beginning
    afterwards.
    """
    try:
        first = next((entry for _, entry in bounded_tar.entries(source)), None)
    except bounded_tar.UNREADABLE as error:
        raise StoreError(f"it cannot be read: {error}") from error
    finally:
        source.seek(0)
    if first is None or first.name != DATABASE:
        raise StoreError("it is no backup of flowbridge")


def unpack(source: IO[bytes], folder: Path, advance: Advance = lambda _: None) -> Manifest:
    """Write what is in a backup to an empty folder, and return its manifest once all of it was
    found as it says. Raises `StoreError`.
    """
    found: dict[str, tuple[int, str]] = {}
    blobs = 0
    text = None
    try:
        for tar, entry in bounded_tar.entries(source):
            if text is not None:
                raise StoreError("it goes on after its manifest")
            if entry.name == MANIFEST and entry.isreg() and entry.size <= LONGEST_MANIFEST:
                text = _reader(tar, entry).read()
                continue
            size, digest = _unpack_one(tar, entry, folder, advance)
            blob = BLOB.fullmatch(entry.name)
            blobs += blob is not None
            # a blob that is called otherwise is sealed, and in the manifest
            if blob is None or digest != blob[2]:
                found[entry.name] = size, digest
    except bounded_tar.UNREADABLE as error:
        raise StoreError(f"it cannot be read: {error}") from error
    if text is None:
        raise StoreError("it has no manifest: it is no backup of flowbridge, or was cut off")
    manifest = _manifest(text)
    if damaged := sorted(
        name for name in found if BLOB.fullmatch(name) and name not in manifest.files
    ):
        raise StoreError(f"{damaged[0]} is damaged")
    if wrong := sorted(
        name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name)
    ):
        raise StoreError(f"{wrong[0]} is not what its manifest says")
    if blobs != manifest.blobs or DATABASE not in found:
        raise StoreError(
            f"it has {blobs} blobs of {manifest.blobs}"
            if DATABASE in found
            else "it has no database"
        )
    return manifest


def _manifest(text: bytes) -> Manifest:
    try:
        said = orjson.loads(text)
        if said["format"] > FORMAT:
            raise StoreError(
                f"it was made by flowbridge {said['flowbridge']}, which is newer than this one"
                f" ({__version__}): upgrade first"
            )
        return Manifest(
            **said
            | {"files": {name: (size, digest) for name, (size, digest) in said["files"].items()}}
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError("its manifest cannot be read") from error


def _reader(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    reader = tar.extractfile(entry)
    if reader is None:
        raise StoreError(f"{entry.name[:100]!r} is no file")
    return reader


def _unpack_one(
    tar: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path, advance: Advance
) -> tuple[int, str]:
    """Write one file. Names come from outside: only those that a backup has lead to a place."""
    parts = PurePosixPath(entry.name).parts
    fits = (
        entry.name in (DATABASE, KEY)
        or BLOB.fullmatch(entry.name)
        or (
            parts[:1] == ("files",)
            and len(parts) > 1
            and ".." not in parts
            and "\0" not in entry.name
            and "/".join(parts) == entry.name
        )
    )
    if not fits or not entry.isreg():
        raise StoreError(f"it has {entry.name[:100]!r}, which no backup has")
    path = folder.joinpath(*parts)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(
        path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    digest = hashlib.sha256()
    reader = _reader(tar, entry)
    size = 0
    with os.fdopen(descriptor, "wb") as file:
        while piece := reader.read(PIECE):
            _check_disk(folder, len(piece))
            file.write(piece)
            digest.update(piece)
            size += len(piece)
            advance(len(piece))
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def _check_disk(folder: Path, size: int) -> None:
    """Leave the disk what the store needs that is there: a file that claims to be a backup must not
    fill it.
    """
    left, reserve = free(folder)
    if left - size < reserve:
        raise StoreError("what it unpacks to does not fit on the disk")


def check(source: IO[bytes], scratch: Path) -> Manifest:
    """Restore a backup into a place of its own, look through it, and throw it away; `StoreError`
    where it is not whole.
    """
    with unpacked(source, scratch) as (folder, manifest):
        look(folder, manifest)
        return manifest


@contextmanager
def unpacked(
    source: IO[bytes], scratch: Path, advance: Advance = lambda _: None
) -> Iterator[tuple[Path, Manifest]]:
    """Give a folder with what is in a backup, for as long as it is needed."""
    folder = Path(tempfile.mkdtemp(prefix="restore-", dir=scratch))
    try:
        yield folder, unpack(source, folder, advance)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def look(folder: Path, manifest: Manifest) -> None:
    """Raise `StoreError` where the database in a folder is not whole, or not the one that the
    manifest is of.
    """
    database = Database(f"sqlite:///{folder / DATABASE}")
    try:
        if damaged := checkup.damage(database):
            raise StoreError(f"its database is not whole: {damaged[0]}")
        if (schema := upgrade.revision(database)) != manifest.schema:
            raise StoreError(
                f"its database has schema {schema}, and its manifest says {manifest.schema}"
            )
        if schema == HEAD and (rows := copy_operation.count(database)) != manifest.rows:
            raise StoreError(f"its database has rows {rows}, and its manifest says {manifest.rows}")
    finally:
        database.close()
