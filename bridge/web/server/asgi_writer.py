"""Writes the answer of Flask from its thread to another ASGI server."""

from __future__ import annotations

import asyncio
import errno
from concurrent.futures import CancelledError
from typing import Any, Final, NoReturn

from bridge.system.logs import get_logger
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.asgi_requests import Message, Send, encode_headers

log = get_logger()
CHECK_SECONDS: Final = 1.0  # between two checks whether the client is still there


class AsgiThreadWriter:
    """Passes the parts of an answer to the server, and waits while the client reads too slowly.

    `closes`: no request may follow on the connection. The caller sends the last message, which
    ends the answer.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, send: Send, answers: AnswerLimits, *, closes: bool
    ) -> None:
        self._loop = loop
        self._send = send
        self._answers = answers
        self._closes = closes
        self._left: int | None = None
        self._is_gone = False
        self._sending: asyncio.Task[Any] | None = None
        self.is_started = False

    def start(
        self, status: str, headers: list[tuple[str, str]], *, chunked: bool, length: int | None
    ) -> None:
        """Write the head; the server frames a body of unknown length."""
        del chunked
        self._left = length
        given = encode_headers(headers, closes=self._closes)
        self.is_started = True
        self._pass({"type": "http.response.start", "status": int(status[:3]), "headers": given})

    def write(self, data: bytes) -> None:
        """Write a part of the body, and wait while the client reads too slowly.

        It drops what is beyond the declared length.
        """
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._pass({"type": "http.response.body", "body": data, "more_body": True})

    def end(self) -> None:
        """Raise `ConnectionAbortedError` where the body is too short."""
        if self._left:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the answer is shorter than declared")

    def abort(self) -> None:
        """Cut the answer off, for a fault that is injected."""
        self._is_gone = True

    def disconnect(self) -> None:
        """Let the thread's write fail, since the client is gone. Call it on the loop."""
        self._is_gone = True
        if self._sending is not None:
            self._sending.cancel()

    def _pass(self, message: Message) -> None:
        """Send a message on the loop. Raises `BrokenPipeError` where the client is gone."""
        if self._is_gone:
            _raise_gone()
        future = asyncio.run_coroutine_threadsafe(self._send_in_time(message), self._loop)
        while True:
            try:
                future.result(CHECK_SECONDS)
                return
            except TimeoutError:
                if self._is_gone:  # the loop has ended
                    _raise_gone()
            except CancelledError:
                _raise_gone()

    async def _send_in_time(self, message: Message) -> None:
        seconds = self._answers.stall_seconds
        if self._is_gone:
            _raise_gone()
        self._sending = asyncio.current_task()
        try:
            async with asyncio.timeout(seconds):
                await self._send(message)
        except TimeoutError:
            log.limited().warning("answer_stalled", seconds=seconds)
            self._is_gone = True
            _raise_gone()
        finally:
            self._sending = None


def _raise_gone() -> NoReturn:
    raise BrokenPipeError(errno.EPIPE, "the client is gone")
