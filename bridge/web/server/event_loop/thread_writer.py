"""Writes the answer of Flask from its thread to a connection of the event loop."""

from __future__ import annotations

import asyncio
import errno
import threading
from typing import Any, Final

from bridge.web.server.event_loop.answer_bytes import head_bytes

CHECK_SECONDS: Final = 1.0  # between two checks whether the client is still there


class LoopThreadWriter:
    """Passes the parts of an answer to the loop, and waits while the client reads too slowly."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: Any, *, keeps: bool, may_chunk: bool
    ) -> None:
        """Create the writer. Without `may_chunk`, an answer of unknown length ends with the
        connection. `keeps`: the connection stays open after the answer.
        """
        self._loop = loop
        self._transport = transport
        self._writable = threading.Event()
        self._writable.set()
        self._is_gone = False
        self._is_chunked = False
        self._may_chunk = may_chunk
        self._left: int | None = None
        self.keeps = keeps
        self.is_started = False

    def start(
        self, status: str, headers: list[tuple[str, str]], *, chunked: bool, length: int | None
    ) -> None:
        """Write the head. `length`: the bytes of the body that the application declares."""
        self._left = length
        self._is_chunked = chunked and self._may_chunk
        self.keeps = self.keeps and self._is_chunked is chunked
        framing = b"Transfer-Encoding: chunked\r\n\r\n" if self._is_chunked else b"\r\n"
        head = head_bytes(status, headers, keeps=self.keeps)[:-2] + framing
        self.is_started = True
        self._send(head)

    def write(self, data: bytes) -> None:
        """Write a part of the body, and wait while the client reads too slowly.

        What is beyond the declared length is dropped: the client would take it for the next answer.
        """
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._send(b"%x\r\n%s\r\n" % (len(data), data) if self._is_chunked else data)

    def end(self) -> None:
        """Write the end of the body. Raises `ConnectionAbortedError` where it is too short."""
        if self._left:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the answer is shorter than declared")
        if self._is_chunked:
            self._send(b"0\r\n\r\n")

    def pause(self) -> None:
        """Let the thread wait, since the client reads too slowly. Call it on the loop."""
        self._writable.clear()

    def resume(self) -> None:
        """Let the thread go on. Call it on the loop."""
        self._writable.set()

    def abort(self) -> None:
        """Close the connection at once, for a fault that is injected."""
        self._loop.call_soon_threadsafe(self._transport.abort)

    def disconnect(self) -> None:
        """Let the thread's next write fail, since the client is gone. Call it on the loop."""
        self._is_gone = True
        self._writable.set()

    def _send(self, data: bytes) -> None:
        self._writable.wait()
        if self._is_gone:
            raise BrokenPipeError(errno.EPIPE, "the client is gone")
        written = threading.Event()

        def write() -> None:
            if not self._is_gone:
                self._transport.write(data)
            written.set()

        self._loop.call_soon_threadsafe(write)
        while not written.wait(CHECK_SECONDS):
            if self._is_gone:  # the loop has ended
                raise BrokenPipeError(errno.EPIPE, "the client is gone")
