"""A socket that applies its timeout lazily, to save system calls.

gunicorn sets the timeout six times in a request, mostly without a call before the next. Each is a
system call for which a thread releases the interpreter and wakes the threads that wait for it: a
tenth of the cost of a request under load.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Any

from bridge.web.server.answer_limits import AnswerLimits, ClientWait
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
    ahead = b""  # what was read of the next request
    _wait: float | None = None
    reading: RequestDeadline | None = None  # of the request that is being read

    def settimeout(self, value: float | None) -> None:
        self._wait = value

    def gettimeout(self) -> float | None:
        return self._wait

    def setblocking(self, flag: bool) -> None:
        self._wait = None if flag else 0.0

    def read_ahead(self, size: int) -> bytes:
        """Return what has arrived, up to a size, and leave it to the next `recv`."""
        if not self.ahead:
            with suppress(OSError):  # the next `recv` meets it again
                self.ahead = super().recv(size, socket.MSG_DONTWAIT)
        return self.ahead

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive bytes. When a request misses its deadline, shut down the receiving side."""
        reading = self.reading
        if self.ahead:
            data, self.ahead = self.ahead[:size], self.ahead[size:]
            if reading is not None:
                reading.receive(len(data))
            return data
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
        waits: ClientWait | None = None
        try:
            with memoryview(data) as whole, whole.cast("B") as left:
                sent = 0
                while sent < len(left):
                    try:
                        sent += super().send(left[sent:], flags | socket.MSG_DONTWAIT)
                    except BlockingIOError:
                        waits = waits or ClientWait(answers)
                        waits.wait_writable(self)
        finally:
            if waits is not None:
                waits.end()

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file, as long as the client reads."""
        if self.answers is None or self._wait is not None:
            self._apply_timeout()
            return super().sendfile(file, offset, count)
        size = os.fstat(file.fileno()).st_size - offset
        end = offset + (size if count is None else min(count, size))
        waits = ClientWait(self.answers)
        super().settimeout(0.0)
        try:
            at = offset
            while at < end:
                try:
                    sent = os.sendfile(self.fileno(), file.fileno(), at, end - at)
                except BlockingIOError:
                    waits.wait_writable(self)
                    continue
                if not sent:
                    break  # it is shorter now
                at += sent
            return at - offset
        finally:
            waits.end()
            self._apply_timeout()

    def _apply_timeout(self) -> None:
        if super().gettimeout() != self._wait:
            super().settimeout(self._wait)
