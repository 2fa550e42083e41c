"""Connections are shared between receivers: places, counts, and who lets whom go first."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from serving import Bridge, children_of, until

from bridge.web.server import balance
from bridge.web.server.balance import Balance
from bridge.web.server.event_loop.worker import LoopReceiver

pytestmark = pytest.mark.usefixtures("new_processes")


def in_child(work) -> int:
    """Run `work` in a forked process and return the number it gives."""
    child = os.fork()
    if child == 0:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_each_process_has_a_place_and_leaves_it_to_the_next():
    shared = Balance()
    assert shared.take_place() == 0
    assert in_child(shared.take_place) == 1
    assert in_child(shared.take_place) == 1, "the first child is gone, and its place is free"


def test_more_processes_than_places_share_the_last(monkeypatch):
    monkeypatch.setattr(balance, "PLACES", 1)
    shared = Balance()
    assert shared.take_place() == 0
    assert in_child(shared.take_place) == 0


def test_the_fuller_knows_that_another_is_emptier():
    shared = Balance()
    shared.take_place()
    shared.publish_count(1)
    assert not shared.is_fuller(), "there is no other"

    def other(connections: int) -> int:
        shared.take_place()
        shared.publish_count(connections)
        return shared.is_fuller()

    assert in_child(lambda: other(2)) == 1
    assert not shared.is_fuller()
    assert in_child(lambda: other(0)) == 0
    assert shared.is_fuller()
    assert in_child(lambda: (shared.take_place(), shared.free_place())[0]) == 1
    assert not shared.is_fuller(), "one that left is not counted"


class _FullerReceiver(LoopReceiver):
    """A receiver beside one that is emptier and hangs; it counts how often it lets that go first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.balance = Balance()
        self.balance.is_fuller = self._let_go_first
        self.waits = 0
        self.accepted: list[socket.socket] = []
        self._edge: Any = SimpleNamespace(connections=self.accepted)
        self._most = 8192
        self._is_listening = True

    def _let_go_first(self) -> bool:
        self.waits += 1
        return True

    def _serve_connection(self, accepted: socket.socket, *_: Any) -> None:
        self.accepted.append(accepted)


def test_a_burst_of_connections_waits_a_few_times_for_a_receiver_that_hangs() -> None:
    async def accept_burst(listener: socket.socket, connections: int) -> _FullerReceiver:
        receiver = _FullerReceiver(asyncio.get_running_loop())
        receiver.loop.add_reader(listener.fileno(), receiver._accept, listener)
        while len(receiver.accepted) < connections:
            await asyncio.sleep(0)
        receiver.loop.remove_reader(listener.fileno())
        return receiver

    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener, ExitStack() as open_:
        listener.setblocking(False)
        for _ in range(200):
            open_.enter_context(socket.create_connection(listener.getsockname(), timeout=60))
        receiver = asyncio.run(accept_burst(listener, 200))
        for accepted in receiver.accepted:
            accepted.close()
    assert receiver.waits <= 20


def test_kept_connections_are_held_by_all_receivers(tmp_path: Path):
    def is_socket(fd: Path) -> bool:
        try:
            return str(fd.readlink()).startswith("socket:")
        except FileNotFoundError:  # it was closed meanwhile
            return False

    def sockets(pid: int) -> int:
        return sum(map(is_socket, Path(f"/proc/{pid}/fd").iterdir()))

    with Bridge(tmp_path) as bridge:
        parent = until(
            lambda: next(filter(children_of, children_of(bridge.pid)), None), what="receivers"
        )

        def twelve_are_shared() -> bool:
            """One receiver that the machine had no time for, or that is not up yet, leaves twelve
            to the other: then twelve again.
            """
            with ExitStack() as held:
                for _ in range(12):
                    connection = held.enter_context(
                        socket.create_connection(("127.0.0.1", bridge.port), timeout=60)
                    )
                    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert connection.recv(9) == b"HTTP/1.1 "
                shares = [sockets(pid) for pid in children_of(parent)]
            return sum(shares) >= 12 and max(shares) - min(shares) <= 6

        until(twelve_are_shared, what="a fair share")
