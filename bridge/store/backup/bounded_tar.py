"""Read an untrusted tar file, which may be compressed, within limits on its size."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, Final

from bridge.core.errors import StoreError

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
            (each for magic, each in _MAGIC.items() if packed.begins.startswith(magic)), None
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
