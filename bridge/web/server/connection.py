"""A sender's connection, whose waiting is set when it waits.

gunicorn sets whether a call may wait six times in a request, and most times nothing is called
before it is set again. Each is a call into the kernel for which a thread gives up the interpreter,
and all that wait for it are woken: a tenth of what a request costs under load.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from bridge.web.server.incomplete_requests import Reading


class Listener:
    """A listening socket of gunicorn's that accepts connections of ours."""

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
    """A socket that remembers how long a call may wait (null: for ever, 0: not at all), and tells
    the kernel before one that may.
    """

    _wait: float | None = None
    reading: Reading | None = None  # of the request that is being read

    def settimeout(self, value: float | None) -> None:
        self._wait = value

    def gettimeout(self) -> float | None:
        return self._wait

    def setblocking(self, flag: bool) -> None:
        self._wait = None if flag else 0.0

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive bytes. Of a request that is being read, only those that come in time: then the
        receiving side is shut down.
        """
        reading = self.reading
        if reading is None:
            self._tell()
            return super().recv(size, flags)
        while True:
            try:
                data = super().recv(size, flags | socket.MSG_DONTWAIT)
            except BlockingIOError:
                if reading.wait(self.fileno()):
                    continue
                if reading.draining:
                    raise TimeoutError("the rest of the body did not come") from None
                with suppress(OSError):
                    # the reader sees the end of the stream and can still answer
                    self.shutdown(socket.SHUT_RD)
                return b""
            reading.receive(len(data))
            return data

    def send(self, *args: Any) -> int:
        self._tell()
        return super().send(*args)

    def sendall(self, *args: Any) -> None:
        self._tell()
        super().sendall(*args)

    def sendfile(self, *args: Any, **options: Any) -> int:
        self._tell()
        return super().sendfile(*args, **options)

    def _tell(self) -> None:
        if super().gettimeout() != self._wait:
            super().settimeout(self._wait)
