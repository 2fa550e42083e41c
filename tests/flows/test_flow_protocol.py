"""Messages between a worker and the flow host."""

from __future__ import annotations

import errno
import os
import socket
from typing import NoReturn

import pytest

from bridge.flows.loader import FlowLibrary
from bridge.flows.process import protocol
from bridge.flows.process.forkserver import FAILED, _ForkserverProcess


def test_an_end_that_closes_without_reading_is_closed() -> None:
    """As when Ctrl-C ends a worker while the flow host tells it that the flows are loaded."""
    ours, its = protocol.socket_pair(socket.SOCK_SEQPACKET)
    ours.send(b"loaded")
    its.close()
    with ours:
        assert protocol.receive_files(ours) == (b"", [])


@pytest.mark.parametrize("name", ["socket_pair", "create_memory_file"])
def test_a_host_without_a_free_descriptor_says_that_it_failed(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))

    ours, its = protocol.socket_pair(socket.SOCK_SEQPACKET)
    host = _ForkserverProcess(its, lambda _path: FlowLibrary({}), {})
    monkeypatch.setattr(protocol, name, refuse)
    host._fork(None)
    assert ours.recv(100) == FAILED
    ours.close()
    its.close()
