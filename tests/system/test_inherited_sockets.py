"""Listening sockets that a process inherited and does not use."""

from __future__ import annotations

import os
import signal
import socket

import pytest

from bridge.system.linux_process import release_listening_sockets


@pytest.mark.usefixtures("new_processes")
def test_an_address_is_free_once_its_owner_has_closed_it() -> None:
    owner = socket.create_server(("127.0.0.1", 0))
    address = owner.getsockname()
    connected, other = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            release_listening_sockets()
            os.fstat(owner.fileno())  # the number is still valid
            connected.send(b"x")
            signal.pause()
        finally:
            os._exit(1)
    try:
        assert other.recv(1) == b"x", "other sockets stay open"
        owner.close()
        socket.create_server(address).close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        connected.close()
        other.close()
