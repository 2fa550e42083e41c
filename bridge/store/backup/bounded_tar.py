"""A tar file from outside, which may be compressed: read without trusting what it says of its
size.
"""

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
MAX_HEADER_BYTES: Final = (
    1024 * 1024
)  # of what stands before a file: tarfile holds all of it in memory
MIN_LIMIT_BYTES: Final = 1024 * 1024 * 1024  # bytes that anything may unpack to, and beyond them:
MAX_RATIO: Final = 1000  # bytes for each byte of the file; what is compressed further is a bomb
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
    """Reads the uncompressed tar file; raises `StoreError` beyond what it may hold."""

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
            raise StoreError("what stands before one of its files is too long")
        if self._count > MIN_LIMIT_BYTES + MAX_RATIO * self._packed.count:
            raise StoreError(f"it unpacks to more than {MAX_RATIO} times its size: it is no backup")
        return piece


def read_entries(source: IO[bytes]) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the entries of a tar file one after another, each to be read before the next. Raise
    `StoreError` or one of `UNREADABLE`.
    """
    unpacked = _BoundedReader(_CountingReader(source))
    with tarfile.open(fileobj=unpacked, mode="r|") as tar:  # type: ignore[call-overload]  # it only needs read()
        for _ in range(MAX_FILES):
            unpacked.left = MAX_HEADER_BYTES
            entry = tar.next()
            if entry is None:
                return
            tar.members.clear()  # it would hold all of them
            unpacked.left += entry.size
            yield tar, entry
    raise StoreError(f"it has more than {MAX_FILES} files")
