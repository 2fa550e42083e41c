"""Sockets that one thread watches, each with its handler."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from bridge.worker.local.socket_poller import SocketPoller


def test_the_handler_of_a_socket_that_was_removed_is_not_called_again() -> None:
    poller = SocketPoller()
    called: list[str] = []
    with ExitStack() as stack:
        pairs = {name: socket.socketpair() for name in ("a", "b")}
        for name, (watched, other) in pairs.items():
            stack.enter_context(watched)
            stack.enter_context(other)

            def handle(name: str = name) -> None:
                called.append(name)
                for removed, _ in pairs.values():
                    poller.remove(removed)

            poller.add(watched, handle)
            other.sendall(b"x")
        assert poller.poll(0.0)
        assert len(called) == 1, "it removed the other, which could be read as well"
        assert poller.poll(0.0)
        assert len(called) == 1
        poller.end()
        assert not poller.poll(0.0)
    poller.close()
