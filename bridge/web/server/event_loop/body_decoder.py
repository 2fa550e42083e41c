"""Decodes the framing of a request body, by its length or in chunks, as RFC 9112 has it.

Nothing is tolerated here: two servers that read one framing differently let a request be smuggled.
"""

from __future__ import annotations

import enum
import re
from typing import Final, Protocol

MAX_SIZE_LINE_BYTES: Final = 4096  # of a chunk: its size and extensions
MAX_SIZE_DIGITS: Final = 16
MAX_TRAILERS: Final = 100
MAX_TRAILER_BYTES: Final = 16 * 1024  # of all trailers
# bytes of a body with its framing: chunks of one byte have six, and extensions and trailers some
MAX_FRAMING_SHARE: Final = 8
MAX_FRAMING_BYTES: Final = 16 * 1024
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_SIZE_LINE: Final = re.compile(
    rb"([0-9A-Fa-f]{1,%d})" % MAX_SIZE_DIGITS
    + rb"(?:[ \t]*;[ \t]*"
    + _TOKEN
    + rb"(?:[ \t]*=[ \t]*(?:"
    + _TOKEN
    + rb"|"
    + _QUOTED
    + rb"))?)*"
)
_TRAILER: Final = re.compile(rb"(" + _TOKEN + rb"):[\t -~\x80-\xff]*")
#: Fields that change how a request is framed, routed or authenticated: none of them may come late.
_HEAD_ONLY_FIELDS: Final = frozenset(
    (
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"expect",
        b"host",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)


class FramingError(Exception):
    """A body that is not framed correctly."""


class BodyDecoder(Protocol):
    """Decodes one body."""

    @property
    def is_whole(self) -> bool:
        """Return whether the body has ended."""

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the bytes of the body in `data`, and the bytes that follow the body.

        Raises `FramingError`.
        """


class LengthDecoder:
    """Decodes a body of a given length, which may be 0."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def is_whole(self) -> bool:
        """Return whether the body has ended."""
        return not self._left

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the bytes of the body in `data`, and the bytes that follow the body."""
        piece = data if len(data) <= self._left else data[: self._left]
        self._left -= len(piece)
        return piece, data[len(piece) :]


class ServerDecoder:
    """Takes bytes that another server has decoded; that server says when the body has ended.

    `length`: the declared one, None for a body in chunks. Set `is_whole` before the last bytes.
    """

    def __init__(self, length: int | None) -> None:
        self._left = length
        self.is_whole = False

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Return `data`, which no bytes follow. Raises `FramingError` for another length."""
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0 or (self.is_whole and self._left):
                raise FramingError
        return data, b""


class _Part(enum.Enum):
    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILERS = enum.auto()
    END = enum.auto()


class ChunkDecoder:
    """Decodes a body in chunks."""

    def __init__(self) -> None:
        self._part = _Part.SIZE
        self._buffer = bytearray()  # what is not decoded yet: less than a line at the end
        self._left = 0  # bytes of the chunk
        self._decoded = 0
        self._framing = 0  # bytes of lines
        self._trailers = 0
        self._trailer_bytes = 0

    @property
    def is_whole(self) -> bool:
        """Return whether the body has ended."""
        return self._part is _Part.END

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the bytes of the body in `data`, and the bytes that follow the body.

        Raises `FramingError`.
        """
        self._buffer += data
        found = bytearray()
        while self._step(found):
            pass
        rest = b""
        if self.is_whole:
            rest = bytes(self._buffer)
            self._buffer.clear()
        return bytes(found), rest

    def _step(self, found: bytearray) -> bool:
        """Decode one part; return false where its bytes have not arrived, or the body has ended."""
        if self._part is _Part.END:
            return False
        if self._part is _Part.DATA:
            return self._take_data(found)
        line = self._take_line()
        if line is None:
            return False
        if self._part is _Part.SIZE:
            self._read_size(line)
        elif self._part is _Part.DATA_END:
            if line:
                raise FramingError("a chunk is longer than its size")
            self._part = _Part.SIZE
        else:
            self._read_trailer(line)
        return True

    def _take_data(self, found: bytearray) -> bool:
        size = min(len(self._buffer), self._left)
        found += self._buffer[:size]
        del self._buffer[:size]
        self._left -= size
        self._decoded += size
        if not self._left:
            self._part = _Part.DATA_END
        return not self._left

    def _take_line(self) -> bytes | None:
        """Return the next line without its end; None where it has not arrived."""
        most = 0 if self._part is _Part.DATA_END else MAX_SIZE_LINE_BYTES
        end = self._buffer.find(b"\n", 0, most + 2)
        if end < 0:
            if len(self._buffer) > most + 1:
                raise FramingError("a line is too long")
            return None
        if end == 0 or self._buffer[end - 1] != ord("\r"):
            raise FramingError("a line ends without CR")
        line = bytes(self._buffer[: end - 1])
        del self._buffer[: end + 1]
        self._framing += end + 1
        if self._framing > MAX_FRAMING_SHARE * self._decoded + MAX_FRAMING_BYTES:
            raise FramingError("the framing is longer than the body")
        return line

    def _read_size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise FramingError("the size of a chunk is malformed")
        self._left = int(match[1], 16)
        self._part = _Part.DATA if self._left else _Part.TRAILERS

    def _read_trailer(self, line: bytes) -> None:
        """Check a trailer, and drop it: nothing reads trailers."""
        if not line:
            self._part = _Part.END
            return
        self._trailers += 1
        self._trailer_bytes += len(line)
        if self._trailers > MAX_TRAILERS or self._trailer_bytes > MAX_TRAILER_BYTES:
            raise FramingError("there are too many trailers")
        match = _TRAILER.fullmatch(line)
        if match is None or match[1].lower() in _HEAD_ONLY_FIELDS:
            raise FramingError("a trailer is malformed")
