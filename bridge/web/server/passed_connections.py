"""Connections that receivers pass to the console process, over a pair of Unix sockets.

A receiver passes a connection with the bytes that it has read of its next request, so that the
console process reads the request as if it had accepted the connection itself.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson

from bridge.system.descriptors import wait_readable
from bridge.web.mount_paths import is_reader_path

#: The signal to the parent of the receivers: a connection waits for the console process.
WAITING_SIGNAL: Final = signal.SIGTTIN
MAX_AHEAD_BYTES: Final = 64 * 1024  # of a request, of the bytes that were read
_MAX_ADDRESS_BYTES: Final = 128  # of a listener's address as JSON
_TARGET_BYTES: Final = 64  # of a request's target that decide which process answers


@dataclass(frozen=True, slots=True)
class PassedConnection:
    """A connection that was passed on.

    `server`: the address of the listener that accepted it. `ahead`: what was read of the next
    request. `is_last`: no other descriptor is free, so it is to be refused and closed.
    """

    descriptor: int
    server: tuple[str, int]
    ahead: bytes
    is_last: bool


class PassedConnections:
    """A queue of connections between processes. Create it in their parent, before the fork."""

    def __init__(self) -> None:
        self._receiving, self._sending = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._receiving.setblocking(False)
        self._sending.setblocking(False)
        self._parent = os.getpid()
        self._spare: int | None = None
        self.reserve()

    def put(self, connection: socket.socket, server: tuple[str, int], ahead: bytes) -> bool:
        """Pass a connection on, and return whether that was possible.

        The caller then closes its own descriptor. It is not possible where the queue is full.
        """
        if len(ahead) > MAX_AHEAD_BYTES:
            return False
        try:
            socket.send_fds(
                self._sending, [orjson.dumps(server), b"\n", ahead], [connection.fileno()]
            )
        except OSError:
            return False
        with suppress(ProcessLookupError):
            os.kill(self._parent, WAITING_SIGNAL)
        return True

    def take(self) -> PassedConnection:
        """Take the next connection.

        A descriptor is reserved for it: without one the kernel would close it. After the last one,
        close the connection and call `reserve`. `BlockingIOError` where none waits, another
        `OSError` where it was closed nevertheless.
        """
        size = _MAX_ADDRESS_BYTES + MAX_AHEAD_BYTES
        self._free_spare()
        try:
            message, descriptors, _, _ = socket.recv_fds(self._receiving, size, 1)
        finally:
            self.reserve()
        if not descriptors:  # none was free, not even the reserved one
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        os.set_inheritable(descriptors[0], False)
        server, _, ahead = message.partition(b"\n")
        host, port = orjson.loads(server)
        return PassedConnection(descriptors[0], (host, port), ahead, self._spare is None)

    def reserve(self) -> None:
        """Reserve a descriptor for the next connection, if one is free."""
        if self._spare is None:
            with suppress(OSError):
                self._spare = os.dup(self._receiving.fileno())

    def _free_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def is_waiting(self) -> bool:
        """Return whether a connection waits."""
        return bool(wait_readable([self._receiving.fileno()], 0.0))

    def fileno(self) -> int:
        """Return the descriptor that is readable while a connection waits."""
        return self._receiving.fileno()

    def close(self) -> None:
        """Close the queue in this process."""
        self._free_spare()
        self._receiving.close()
        self._sending.close()


def find_reader_path(head: bytes) -> str | None:
    """Return the path of a request that begins so, if it asks for the console or the admin API."""
    target = head.partition(b" ")[2][:_TARGET_BYTES].partition(b" ")[0]
    path = target.partition(b"?")[0].decode("latin-1")
    return path if is_reader_path(path) else None
