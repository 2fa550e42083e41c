"""A socket that applies its timeout lazily, to save system calls.

gunicorn sets the timeout six times in a request, mostly without a call before the next. Each is a
system call for which a thread releases the interpreter and wakes the threads that wait for it: a
tenth of the cost of a request under load.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from bridge.web.server.incomplete_requests import RequestDeadline


class ListeningSocket:
    """A listening socket of gunicorn that accepts a `Connection`."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener
        self.getsockname = listener.getsockname

    def accept(self) -> tuple[Connection, Any]:
        """Accept a connection; as `socket.accept`."""
        accepted, address = self._listener.accept()
        return (
            Connection(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach()),
            address,
        )


class Connection(socket.socket):
    """A socket that sets its timeout in the kernel only before a call that may wait.

    A timeout of None waits for ever, 0 not at all.
    """

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

    def sendall(self, *args: Any) -> None:
        self._apply_timeout()
        super().sendall(*args)

    def sendfile(self, *args: Any, **options: Any) -> int:
        self._apply_timeout()
        return super().sendfile(*args, **options)

    def _apply_timeout(self) -> None:
        if super().gettimeout() != self._wait:
            super().settimeout(self._wait)
