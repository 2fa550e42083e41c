"""A sender's connection tells the kernel how long it may wait when it may wait, and waits so
long.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator

import pytest

from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.connection import Connection, ListeningSocket

Pair = tuple[Connection, socket.socket]
ANSWERS = AnswerLimits(stall_seconds=0.05)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A connection that was accepted, and the sender's end of it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as sender,
    ):
        ours, address = ListeningSocket(server, ANSWERS).accept()
        assert address == sender.getsockname()
        with ours:
            yield ours, sender


def send(ours: Connection, size: int, *, as_file: bool) -> None:
    """Send bytes, or a file of as many."""
    if not as_file:
        ours.sendall(b"x" * size)
        return
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        assert ours.sendfile(file, 0, size) == size


def test_it_waits_as_long_as_it_was_told_last(pair: Pair) -> None:
    ours, sender = pair
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        ours.recv(10)
    ours.settimeout(0.01)
    with pytest.raises(TimeoutError):
        ours.recv(10)
    ours.setblocking(False)
    ours.setblocking(True)
    sender.sendall(b"late")
    assert ours.recv(10) == b"late"


def test_what_is_set_and_not_used_never_reaches_the_kernel(pair: Pair) -> None:
    ours, _ = pair
    for wait in (0.0, 5.0, 0.0, None):
        ours.settimeout(wait)
        assert ours.gettimeout() == wait
        assert os.get_blocking(ours.fileno())
    ours.settimeout(5.0)
    ours.send(b"x")
    assert not os.get_blocking(ours.fileno()), (
        "a timeout is Python's own wait before a call that does not"
    )
    ours.setblocking(True)
    ours.sendall(b"x")
    assert os.get_blocking(ours.fileno())


def test_a_sender_that_reads_nothing_is_not_waited_for_beyond_the_timeout(pair: Pair) -> None:
    ours, _ = pair
    ours.settimeout(0.05)
    with pytest.raises(TimeoutError):
        ours.sendall(b"x" * 64 * 1024 * 1024)


def test_a_file_is_sent_whole(pair: Pair) -> None:
    ours, sender = pair
    ours.setblocking(True)
    with tempfile.TemporaryFile() as file:
        file.write(b"abc")
        file.seek(0)
        assert ours.sendfile(file) == 3
    assert sender.recv(10) == b"abc"


def test_a_client_that_stops_reading_is_disconnected(pair: Pair) -> None:
    ours, client = pair
    ours.setblocking(True)
    with pytest.raises(BrokenPipeError, match="has read nothing"):
        ours.sendall(b"x" * 64 * 1024 * 1024)
    ours.close()
    with pytest.raises(ConnectionResetError):
        while client.recv(1 << 20):
            pass


@pytest.mark.parametrize("sends_file", [False, True])
def test_a_client_that_reads_slowly_gets_everything(pair: Pair, sends_file: bool) -> None:
    ours, client = pair
    ours.setblocking(True)
    ours.answers = AnswerLimits(stall_seconds=30.0, most=1, moment_seconds=0.0)
    client.settimeout(30.0)
    size = 16 * 1024 * 1024
    received = 0
    sending = threading.Thread(target=send, args=(ours, size), kwargs={"as_file": sends_file})
    sending.start()
    while received < size:
        received += len(client.recv(10_000))
    sending.join()
    assert ours.answers.take_place()  # it is free again


def test_a_file_waits_for_no_client_that_stops_reading(pair: Pair) -> None:
    ours, client = pair
    ours.setblocking(True)
    with tempfile.TemporaryFile() as file:
        file.truncate(64 * 1024 * 1024)
        with pytest.raises(BrokenPipeError, match="has read nothing"):
            ours.sendfile(file)
    client.sendall(b"next")
    assert ours.recv(10) == b"next"


@pytest.mark.parametrize("sends_file", [False, True])
def test_an_answer_without_a_place_waits_for_a_moment_only(pair: Pair, sends_file: bool) -> None:
    ours, _ = pair
    ours.setblocking(True)
    ours.answers = AnswerLimits(stall_seconds=3600.0, most=1, moment_seconds=0.01)
    assert ours.answers.take_place()
    with pytest.raises(BrokenPipeError):
        send(ours, 64 * 1024 * 1024, as_file=sends_file)
    ours.answers.free_place()
    assert ours.answers.take_place()


def test_a_receiver_that_ends_waits_for_no_client(pair: Pair) -> None:
    ours, _ = pair
    ours.setblocking(True)
    ours.answers = AnswerLimits(stall_seconds=3600.0, is_ending=True)
    with pytest.raises(BrokenPipeError):
        ours.sendall(b"x" * 64 * 1024 * 1024)
