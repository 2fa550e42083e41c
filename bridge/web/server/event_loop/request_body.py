"""Request bodies: decodes their framing as RFC 9112 has it, and reads them whole or as a stream.

Nothing is tolerated here: two servers that read one framing differently let a request be smuggled.
"""

from __future__ import annotations

import enum
import io
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from bridge.core.errors import Refused
from bridge.core.timings import Timings
from bridge.web.receiving.body_reader import CUT_SHORT, BodyReader

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


def refuse_cut_short() -> Refused:
    """Return the refusal of a body that does not arrive as it should."""
    return Refused(400, "cut_short", CUT_SHORT)


class RequestBody:
    """Holds the bytes of a body in memory, and its share of the budget `intake`.

    `length` is None for a body in chunks. `decoder`: another one than that of its framing.
    """

    def __init__(
        self,
        length: int | None,
        intake: BodyReader,
        timings: Timings,
        decoder: BodyDecoder | None = None,
    ) -> None:
        self.length = length
        self.size = 0
        self._decoder: BodyDecoder = decoder or (
            ChunkDecoder() if length is None else LengthDecoder(length)
        )
        self._max_bytes: int | None = None
        self._share = intake.share()
        self._timings = timings
        self._bytes = bytearray()
        self._stream: StreamedBody | None = None
        self._until = time.monotonic() + timings.request_body_seconds
        self._left: float | None = None  # of the time, while it is stopped

    def limit(self, max_bytes: int, network: str | None = None) -> None:
        """Set the limit in bytes, where the application has none of its own, and the network
        that shares the budget.

        Raises `Refused` if the body is known to be larger.
        """
        self._max_bytes = max_bytes
        self._share.network = network
        self._check_size(max(self.size, self.length or 0))

    @property
    def is_whole(self) -> bool:
        """Return whether the body has ended."""
        return self._decoder.is_whole

    @property
    def seconds_left(self) -> float:
        """Return the time until the deadline."""
        return self._until - time.monotonic() if self._left is None else self._left

    def add(self, data: bytes) -> bytes:
        """Add bytes that have arrived, and return those that follow the body.

        Raises `Refused`.
        """
        try:
            piece, rest = self._decoder.decode(data)
        except FramingError:
            raise refuse_cut_short() from None
        self.size += len(piece)
        self._extend_time(len(piece))
        self._check_size(self.size)
        if self._stream is not None:
            self._stream.push(piece)
            if self.is_whole:
                self._stream.end()
            return rest
        self._share.add(len(piece))
        self._bytes += piece
        return rest

    def take(self) -> bytes:
        """Return the bytes, and hold them no longer; their share stays taken until `release`."""
        taken = bytes(self._bytes)
        self._bytes = bytearray()
        return taken

    def divert(self, stream: StreamedBody) -> None:
        """Let the rest of the body go to a thread that reads it."""
        stream.push(self.take())
        self._stream = stream

    def pause(self) -> None:
        """Stop the time: the reader is behind, not the client."""
        self._left = self.seconds_left

    def resume(self) -> None:
        """Let the time go on."""
        self._until = time.monotonic() + self.seconds_left
        self._left = None

    def release(self) -> None:
        """Give back the share of the budget."""
        self._share.release()

    def _extend_time(self, size: int) -> None:
        """Move the deadline: each second's worth of bytes buys a second.

        A client cannot save up more than the time that it had at first, and then be silent.
        """
        bought = size / self._timings.request_bytes_per_second
        latest = time.monotonic() + self._timings.request_body_seconds
        self._until = min(self._until + bought, latest)

    def _check_size(self, size: int) -> None:
        if self._max_bytes is not None and size > self._max_bytes:
            message = f"the body is larger than {self._max_bytes} bytes"
            raise Refused(413, "too_large", message)


MAX_UNREAD_BYTES: Final = 256 * 1024  # beyond which the client has to wait


class StreamedBody(io.RawIOBase):
    """Passes bytes from the loop to one thread.

    `drained` is called in the thread when it has read so much that more may arrive.
    """

    def __init__(self, drained: Callable[[], object]) -> None:
        super().__init__()
        self._drained = drained
        self._arrived = threading.Condition()
        self._pieces: deque[memoryview] = deque()
        self._unread = 0
        self._is_behind = False
        self._has_ended = False
        self._is_cut = False

    # -- on the loop

    @property
    def is_behind(self) -> bool:
        """Return whether the client has to wait until `drained` is called."""
        with self._arrived:
            self._is_behind = self._unread > MAX_UNREAD_BYTES and not self._is_cut
            return self._is_behind

    def push(self, data: bytes) -> None:
        """Add bytes."""
        with self._arrived:
            if data and not self._is_cut:
                self._pieces.append(memoryview(data))
                self._unread += len(data)
                self._arrived.notify()

    def end(self) -> None:
        """Let the reader find the end after these bytes."""
        with self._arrived:
            self._has_ended = True
            self._arrived.notify()

    def cut(self) -> None:
        """Let the reader fail: the rest does not arrive."""
        with self._arrived:
            if not self._has_ended:
                self._is_cut = True
                self._pieces.clear()
                self._arrived.notify()

    # -- in the thread

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        """Read bytes once some have arrived. Raises `TimeoutError` where they do not."""
        with self._arrived:
            while not (self._pieces or self._has_ended or self._is_cut):
                self._arrived.wait()
            if self._is_cut:
                raise TimeoutError("the rest of the body did not arrive")
            if not self._pieces:
                return 0
            piece = self._pieces.popleft()
            size = min(len(piece), len(target))
            target[:size] = piece[:size]
            if size < len(piece):
                self._pieces.appendleft(piece[size:])
            self._unread -= size
            has_drained = self._is_behind and self._unread <= MAX_UNREAD_BYTES // 2
            self._is_behind = self._is_behind and not has_drained
        if has_drained:
            self._drained()
        return size
