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
MAX_FRAMING_BYTES: Final = 16 * 1024  # by which the framing of a body may be longer than the body
_LINE_END: Final = b"\r\n"
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
#: Whole chunks of 1 to 15 bytes, one after another: a step for each would cost more than its bytes.
_SMALL_CHUNK: Final = b"(?s:%s)" % b"|".join(
    b"[%x%X]\r\n.{%d}\r\n" % (size, size, size) for size in range(1, 16)
)
_SMALL_CHUNKS: Final = re.compile(b"(?:%s)++" % _SMALL_CHUNK)
_EACH_SMALL_CHUNK: Final = re.compile(_SMALL_CHUNK)
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
        self._rest = b""  # what is not decoded yet: less than a line
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
        data = self._rest + data
        at = 0
        pieces: list[bytes] = []
        while self._part is not _Part.END:
            if self._part is _Part.DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                self._decoded += len(piece)
                if self._left:
                    break
                self._part = _Part.DATA_END
            if self._part is _Part.DATA_END:
                if data[at : at + 2] != _LINE_END:
                    if len(data) >= at + 2 or not _LINE_END.startswith(data[at:]):
                        raise FramingError("a chunk is longer than its size")
                    break
                at += 2
                self._framing += 2
                self._part = _Part.SIZE
            if self._part is _Part.SIZE and (run := _SMALL_CHUNKS.match(data, at)):
                chunks = _EACH_SMALL_CHUNK.findall(run[0])
                pieces += [chunk[3:-2] for chunk in chunks]
                at = run.end()
                self._decoded += len(run[0]) - 5 * len(chunks)
                self._count_framing(5 * len(chunks))
            end = self._find_line_end(data, at)
            if end < 0:
                break
            if self._part is _Part.SIZE:
                self._read_size(data, at, end)
            else:
                self._read_trailer(data[at:end])
            at = end + 2
        rest = data[at:]
        self._rest = b"" if self.is_whole else rest
        return b"".join(pieces), rest if self.is_whole else b""

    def _find_line_end(self, data: bytes, at: int) -> int:
        """Return where the line ends that begins at `at`; -1 where its end has not arrived."""
        end = data.find(b"\n", at, at + MAX_SIZE_LINE_BYTES + 2) - 1
        if end < -1:
            if len(data) - at > MAX_SIZE_LINE_BYTES + 1:
                raise FramingError("a line is too long")
            return -1
        if end < at or data[end] != _LINE_END[0]:
            raise FramingError("a line ends without CR")
        self._count_framing(end + 2 - at)
        return end

    def _count_framing(self, size: int) -> None:
        self._framing += size
        if self._framing > self._decoded + MAX_FRAMING_BYTES:
            raise FramingError("the framing is longer than the body")

    def _read_size(self, data: bytes, at: int, end: int) -> None:
        match = _SIZE_LINE.fullmatch(data, at, end)
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
