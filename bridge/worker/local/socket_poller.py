"""Waits for several sockets in one thread."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress

from bridge.system.logs import get_logger

log = get_logger()


class SocketPoller:
    """Calls a handler when its socket can be read, or its other end is closed.

    One thread calls `poll` until that returns false, then `close`. Any thread may call the others.
    """

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll()
        self._over = os.eventfd(0)
        self._epoll.register(self._over, select.EPOLLIN)

    def add(self, sock: socket.socket, handler: Callable[[], None]) -> None:
        """Call a handler in the thread of `poll` when the socket can be read."""
        self._handlers[sock.fileno()] = handler
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def remove(self, sock: socket.socket) -> None:
        """Close a socket, and call its handler no more."""
        if (descriptor := sock.fileno()) >= 0:
            self._handlers.pop(descriptor, None)
            with suppress(OSError):
                self._epoll.unregister(descriptor)
            sock.close()

    def poll(self, seconds: float | None) -> bool:
        """Wait until a socket can be read, and call the handlers; return false after `end`."""
        ready = [descriptor for descriptor, _ in self._epoll.poll(seconds)]
        if self._over in ready:
            return False
        for descriptor in ready:
            handler = self._handlers.get(descriptor)
            try:
                if handler is not None:
                    handler()
            except Exception as fault:
                log.error("run_listener_failed", exc_info=fault)
        return True

    def end(self) -> None:
        """Let `poll` return false."""
        os.eventfd_write(self._over, 1)

    def close(self) -> None:
        """Free the descriptors."""
        self._epoll.close()
        os.close(self._over)
