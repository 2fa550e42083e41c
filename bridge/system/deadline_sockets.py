"""Sockets whose waits and writes all keep one deadline: that of this thread's call."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, Final

from urllib3.util import wait_for_read, wait_for_write

from bridge.core.timings import TIMINGS
from bridge.system.boot_clock import NO_DEADLINE

TIMEOUT_LEEWAY_SECONDS: Final = 0.02  # how late a wait may end


class CallProgress(threading.local):
    """The progress and the deadline of this thread's call."""

    deadline = NO_DEADLINE
    connected = False
    sent = False  #: the kernel has the last byte of the request
    peers: Callable[[str], bool] | None = None  #: which addresses are allowed; None: any
    #: How long an idle connection may be reused. A server that closes it just as we write makes a
    #: start ambiguous, and common servers close after 5 s or more; a connection that a server has
    #: closed already is detected before it is used.
    idle_seconds = TIMINGS.connection_idle_seconds


progress = CallProgress()


def remaining_seconds() -> float:
    """Return the seconds left for this thread's call. Raises `TimeoutError` if none are."""
    left = progress.deadline.left()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


class _DeadlineSocket:
    """Mixin for sockets: every wait ends at the deadline of the whole call.

    A plain timeout restarts with each byte. Setting one is a system call that releases the
    interpreter lock, so a timeout that is nearly the current one is not set again.
    """

    def settimeout(self, value: float | None) -> None:
        current = self.gettimeout()  # type: ignore[attr-defined]  # a mixin: the class beside it has it
        if not (value and current and abs(value - current) < TIMEOUT_LEEWAY_SECONDS):
            super().settimeout(value)  # type: ignore[misc]  # a mixin: the class beside it has it

    def recv_into(self, *args: Any, **options: Any) -> int:
        self.settimeout(remaining_seconds())
        received: int = super().recv_into(*args, **options)  # type: ignore[misc]  # a mixin: the class beside it has it
        return received


class PlainSocket(_DeadlineSocket, socket.socket):
    """TCP socket."""

    def sendall(self, data: Any, *_: Any) -> None:
        """Send all bytes, each write right after a look at the deadline.

        A socket with a timeout waits for itself and for the interpreter lock before it writes. A
        process that is stopped there would send its request whenever it goes on.
        """
        self.settimeout(remaining_seconds())  # the descriptor never blocks then
        left = memoryview(data)
        while left:
            remaining_seconds()
            try:
                left = left[os.write(self.fileno(), left) :]
            except BlockingIOError:
                wait_for_write(self, remaining_seconds())


class TLSSocket(_DeadlineSocket, ssl.SSLSocket):
    """TLS socket; its sendall() is a loop around send()."""

    def send(self, *args: Any) -> int:
        """Send some bytes right after a look at the deadline: see `PlainSocket.sendall`."""
        self.settimeout(0.0)
        while True:
            remaining_seconds()
            try:
                return super().send(*args)
            except ssl.SSLWantWriteError:
                wait_for_write(self, remaining_seconds())
            except ssl.SSLWantReadError:
                wait_for_read(self, remaining_seconds())
