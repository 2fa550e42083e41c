"""The body of one request as it arrives: decoded, within limits of size, memory and time."""

from __future__ import annotations

import time

from bridge.core.errors import Refused
from bridge.core.timings import Timings
from bridge.web.body_reader import CUT_SHORT, BodyReader
from bridge.web.server.event_loop.body_decoder import (
    BodyDecoder,
    ChunkDecoder,
    FramingError,
    LengthDecoder,
)
from bridge.web.server.event_loop.streamed_body import StreamedBody


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
        self._most: int | None = None
        self._intake = intake
        self._timings = timings
        self._held = 0
        self._bytes = bytearray()
        self._stream: StreamedBody | None = None
        self._began = time.monotonic()
        self._paused_at: float | None = None

    def limit(self, most: int) -> None:
        """Set the limit in bytes, where the application has none of its own.

        Raises `Refused` if the body is known to be larger.
        """
        self._most = most
        self._check_size(max(self.size, self.length or 0))

    @property
    def is_whole(self) -> bool:
        """Return whether the body has ended."""
        return self._decoder.is_whole

    @property
    def seconds_left(self) -> float:
        """Return the time until the deadline; each second's worth of bytes buys a second."""
        bought = self.size / self._timings.request_bytes_per_second
        until = self._began + self._timings.request_body_seconds + bought
        return until - time.monotonic()

    def add(self, data: bytes) -> bytes:
        """Add bytes that have arrived, and return those that follow the body.

        Raises `Refused`.
        """
        try:
            piece, rest = self._decoder.decode(data)
        except FramingError:
            raise refuse_cut_short() from None
        self.size += len(piece)
        self._check_size(self.size)
        if self._stream is not None:
            self._stream.push(piece)
            if self.is_whole:
                self._stream.end()
            return rest
        self._intake.reserve(len(piece))
        self._held += len(piece)
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
        if self._paused_at is None:
            self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Let the time go on."""
        if self._paused_at is not None:
            self._began += time.monotonic() - self._paused_at
            self._paused_at = None

    def release(self) -> None:
        """Give back the share of the budget."""
        if self._held:
            self._intake.reserve(-self._held)
            self._held = 0

    def _check_size(self, size: int) -> None:
        if self._most is not None and size > self._most:
            raise Refused(413, "too_large", f"the body is larger than {self._most} bytes")
