"""The end of receivers at SIGTERM: a begun request is answered, and an idle connection closed."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import pytest
from serving import Bridge, github, head, read_answer

BODY = b'{"begun": true}'


def connect(bridge: Bridge) -> socket.socket:
    return socket.create_connection(("127.0.0.1", bridge.port), 60)


@pytest.mark.usefixtures("new_processes")
def test_a_begun_request_is_answered_and_an_idle_connection_closed(
    edge: dict[str, str], tmp_path: Path
) -> None:
    begun = head("POST", "/hooks/github", {"Content-Length": str(len(BODY)), **github(BODY)})
    with Bridge(tmp_path, "web", environ=edge) as bridge:
        with connect(bridge) as idle, connect(bridge) as sending:
            idle.sendall(head("GET", "/healthz"))
            assert read_answer(idle).status == 200
            sending.sendall(begun + BODY[:5])
            assert bridge.event().status == 202
            began = time.monotonic()
            assert bridge.process is not None
            bridge.process.send_signal(signal.SIGTERM)
            assert idle.recv(1) == b"", "it has had its time to send a request"
            sending.sendall(BODY[5:])
            assert read_answer(sending).status == 202
        assert bridge.process.wait(60) == 0
        assert time.monotonic() - began < 10
        assert bridge.count() == 2
        assert "SIGKILL" not in bridge.stderr
