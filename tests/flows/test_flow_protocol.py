"""Messages between a worker and the flow host."""

from __future__ import annotations

import socket

from bridge.flows.process import protocol


def test_an_end_that_closes_without_reading_is_closed() -> None:
    """As when Ctrl-C ends a worker while the flow host tells it that the flows are loaded."""
    ours, its = protocol.socket_pair(socket.SOCK_SEQPACKET)
    ours.send(b"loaded")
    its.close()
    with ours:
        assert protocol.receive_files(ours) == (b"", [])
