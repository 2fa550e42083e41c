"""Read a backup: unpack it, and check that it is complete and undamaged.

The tar file of a backup is not trusted: its members are read within limits on their size.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from bridge.core.errors import StoreError
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

MAX_FILES: Final = 1_000_000
MAX_HEADER_BYTES: Final = 1024 * 1024  # before a file; tarfile holds them in memory
MIN_LIMIT_BYTES: Final = 1024 * 1024 * 1024  # any file may unpack to this size
MAX_RATIO: Final = 1000  # beyond that, unpacked bytes for each byte: more is a zip bomb
READ_ERRORS: Final = (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error)
_MAGIC: Final[dict[bytes, Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


class _CountingReader:
    """Reads the file as it is, and counts its bytes."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.count = 0
        self.begins = self._ahead = source.read(6)

    def read(self, size: int = -1) -> bytes:
        piece = self._ahead[:size] if size >= 0 else self._ahead
        self._ahead = self._ahead[size:] if size >= 0 else b""
        piece = piece or self._source.read(size)
        self.count += len(piece)
        return piece


class _BoundedReader:
    """Reads the uncompressed tar file; raises `StoreError` beyond its limits."""

    def __init__(self, packed: _CountingReader) -> None:
        self._packed = packed
        opened = next(
            (opener for magic, opener in _MAGIC.items() if packed.begins.startswith(magic)), None
        )
        self._file: Any = packed if opened is None else opened(packed, "rb")
        self._count = 0
        self.left = MAX_HEADER_BYTES

    def read(self, size: int) -> bytes:
        piece: bytes = self._file.read(size)
        self._count += len(piece)
        self.left -= len(piece)
        if self.left < 0:
            raise StoreError("the header of one of its files is too long")
        if self._count > MIN_LIMIT_BYTES + MAX_RATIO * self._packed.count:
            raise StoreError(
                f"it unpacks to more than {MAX_RATIO} times its size: it is not a backup"
            )
        return piece


def read_entries(source: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the entries of a tar file one after another; each must be read before the next.

    Raises `StoreError` or one of `READ_ERRORS`.
    """
    unpacked = _BoundedReader(_CountingReader(source))
    with tarfile.open(fileobj=unpacked, mode="r|") as tar:  # type: ignore[call-overload]  # it only needs read()
        for _ in range(MAX_FILES):
            unpacked.left = MAX_HEADER_BYTES
            entry = tar.next()
            if entry is None:
                return
            tar.members.clear()  # otherwise it would hold all of them
            unpacked.left += entry.size
            yield tar, entry
    raise StoreError(f"it has more than {MAX_FILES} files, the maximum")


def unpack(source: IO[bytes], folder: Path, advance: Advance = lambda _: None) -> Manifest:
    """Unpack a backup into an empty folder, verify its contents, and return its manifest.

    Raises `StoreError`.
    """
    unpacked: dict[str, tuple[int, str]] = {}
    blobs = 0
    text = None
    try:
        for tar, entry in read_entries(source):
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
                unpacked[entry.name] = size, digest
    except READ_ERRORS as error:
        raise StoreError(f"it cannot be read: {error}") from error
    if text is None:
        raise StoreError("it has no manifest: it is not a flowbridge backup, or is truncated")
    manifest = parse_manifest(text)
    if damaged := sorted(
        name for name in unpacked if BLOB_NAME.fullmatch(name) and name not in manifest.files
    ):
        raise StoreError(f"{damaged[0]} is damaged")
    if wrong := sorted(
        name
        for name in {*unpacked, *manifest.files}
        if unpacked.get(name) != manifest.files.get(name)
    ):
        raise StoreError(f"{wrong[0]} does not match its manifest")
    if blobs != manifest.blobs or DATABASE not in unpacked:
        raise StoreError(
            f"it has {blobs} of {manifest.blobs} blobs"
            if DATABASE in unpacked
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
