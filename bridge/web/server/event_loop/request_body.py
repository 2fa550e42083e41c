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
