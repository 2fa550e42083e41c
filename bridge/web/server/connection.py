"""A socket that applies its timeout lazily, to save system calls.

gunicorn sets the timeout six times in a request, mostly without a call before the next. Each is a
system call for which a thread releases the interpreter and wakes the threads that wait for it: a
tenth of the cost of a request under load.
"""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import Any

from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.incomplete_requests import RequestDeadline


class ListeningSocket:
    """A listening socket of gunicorn that accepts a `Connection`."""

    def __init__(self, listener: Any, answers: AnswerLimits) -> None:
        self._listener = listener
        self._answers = answers
        self.getsockname = listener.getsockname

    def accept(self) -> tuple[Connection, Any]:
        """Accept a connection; as `socket.accept`."""
        accepted, address = self._listener.accept()
        connection = Connection(
            accepted.family, accepted.type, accepted.proto, fileno=accepted.detach()
        )
        connection.answers = self._answers
        return connection, address


class Connection(socket.socket):
    """A socket that sets its timeout in the kernel only before a call that may wait.

    A timeout of None waits for ever, or with `answers` until the client stalls; 0 not at all.
    """

    answers: AnswerLimits | None = None
    _wait: float | None = None
    reading: RequestDeadline | None = None  # of the request that is being read

    def settimeout(self, value: float | None) -> None:
        self._wait = value

    def gettimeout(self) -> float | None:
        return self._wait

    def setblocking(self, flag: bool) -> None:
        self._wait = None if flag else 0.0

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive bytes. When a request misses its deadline, shut down the receiving side."""
        reading = self.reading
        if reading is None:
            self._apply_timeout()
            return super().recv(size, flags)
        while True:
            try:
                data = super().recv(size, flags | socket.MSG_DONTWAIT)
            except BlockingIOError:
                if reading.wait(self.fileno()):
                    continue
                if reading.draining:
                    raise TimeoutError("the rest of the body did not arrive") from None
                with suppress(OSError):
                    # the reader sees the end of the stream and can still answer
                    self.shutdown(socket.SHUT_RD)
                return b""
            reading.receive(len(data))
            return data

    def send(self, *args: Any) -> int:
        self._apply_timeout()
        return super().send(*args)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all bytes, as long as the client reads."""
        answers = self.answers
        self._apply_timeout()
        if answers is None or self._wait is not None:
            super().sendall(data, flags)
            return
        with memoryview(data) as whole, whole.cast("B") as left:
            sent = 0
            while sent < len(left):
                try:
                    sent += super().send(left[sent:], flags | socket.MSG_DONTWAIT)
                except BlockingIOError:
                    answers.wait_writable(self)

    def sendfile(self, *args: Any, **options: Any) -> int:
        """Send a file, as long as the client reads."""
        if self.answers is None or self._wait is not None:
            self._apply_timeout()
            return super().sendfile(*args, **options)
        self._wait = self.answers.stall_seconds
        self._apply_timeout()
        try:
            return super().sendfile(*args, **options)
        except TimeoutError:
            raise BrokenPipeError(errno.EPIPE, "the client has stopped reading") from None
        finally:
            self._wait = None
            self._apply_timeout()

    def _apply_timeout(self) -> None:
        if super().gettimeout() != self._wait:
            super().settimeout(self._wait)
