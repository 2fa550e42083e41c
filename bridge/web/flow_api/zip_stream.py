"""A zip that is built while it is sent, so that it needs little memory whatever its size."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, cast

from bridge.core.local_runs import LocalFile
from bridge.store.blobs import BlobStore

READ_BYTES = 256 * 1024  # bytes read at a time


class _Pieces:
    """A buffer of written bytes. It cannot seek, so sizes follow the data in the zip."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing is buffered elsewhere."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def stream_zip(blobs: BlobStore, files: Sequence[LocalFile]) -> Iterator[bytes]:
    """Yield a zip of the files, piece by piece."""
    pieces = _Pieces()
    with zipfile.ZipFile(
        cast("IO[bytes]", pieces), "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as archive:
        for file in files:
            with blobs.open(file.sha256) as source, archive.open(_entry(file), "w") as target:
                while data := source.read(READ_BYTES):
                    target.write(data)
                    yield pieces.take()
    yield pieces.take()


def _entry(file: LocalFile) -> zipfile.ZipInfo:
    # a zip knows no year before 1980
    at = datetime.fromtimestamp(max(file.created_at, 315619200.0), UTC)
    entry = zipfile.ZipInfo(file.name, at.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.file_size = file.size
    entry.external_attr = 0o100600 << 16
    return entry
