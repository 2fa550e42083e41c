"""A connection that is passed to another process arrives there with the bytes that were read."""

from __future__ import annotations

import os
import resource
import signal
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from serving import read_answer

from bridge.config.settings import load_settings
from bridge.web.listeners import ListenerPaths
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.console_process import ConsoleProcess
from bridge.web.server.event_loop.loop_edge import LoopEdge
from bridge.web.server.passed_connections import (
    MAX_AHEAD_BYTES,
    WAITING_SIGNAL,
    PassedConnections,
    find_reader_path,
)

SERVER = ("127.0.0.1", 8080)


@pytest.fixture
def waiting() -> Iterator[list[int]]:
    """The signals that the parent of the receivers got; here it is this process."""
    seen: list[int] = []
    before = signal.signal(WAITING_SIGNAL, lambda number, _frame: seen.append(number))
    yield seen
    signal.signal(WAITING_SIGNAL, before)


@pytest.fixture
def queue(waiting: list[int]) -> Iterator[PassedConnections]:
    opened = PassedConnections()
    yield opened
    opened.close()


def test_a_connection_is_passed_with_what_was_read(
    queue: PassedConnections, waiting: list[int]
) -> None:
    ours, client = socket.socketpair()
    with client:
        with ours:
            assert not queue.is_waiting()
            assert queue.put(ours, SERVER, b"GET /console\nHTTP")
        assert queue.is_waiting()
        assert waiting == [WAITING_SIGNAL]
        passed = queue.take()
        assert passed.server == SERVER
        assert passed.ahead == b"GET /console\nHTTP"
        assert not passed.is_last
        assert not os.get_inheritable(passed.descriptor)
        with socket.socket(fileno=passed.descriptor) as theirs:
            theirs.sendall(b"answer")
            assert client.recv(100) == b"answer"
        assert client.recv(1) == b""


def test_none_waits(queue: PassedConnections) -> None:
    with pytest.raises(BlockingIOError):
        queue.take()


def test_the_last_descriptor_takes_a_connection(queue: PassedConnections) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    ours, client = socket.socketpair()
    with client:
        with ours:
            for _ in range(3):
                assert queue.put(ours, SERVER, b"GET /console")
        free = os.dup(0)
        os.close(free)
        taken = []
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
            taken.append(queue.take())
            with pytest.raises(OSError, match="Too many open files"):
                queue.take()
            os.close(taken[0].descriptor)
            queue.reserve()
            with pytest.raises(OSError, match="Too many open files"):
                os.dup(0)
            taken.append(queue.take())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert [passed.is_last for passed in taken] == [True, True]
        os.close(taken[1].descriptor)
        assert client.recv(1) == b""
        assert not queue.is_waiting()


def test_a_full_queue_takes_no_more(queue: PassedConnections) -> None:
    ours, client = socket.socketpair()
    with ours, client:
        taken = 0
        while queue.put(ours, SERVER, bytes(1024)):
            taken += 1
            assert taken < 10_000
        assert taken > 4
        os.close(queue.take().descriptor)
        assert queue.put(ours, SERVER, bytes(1024))
        for _ in range(taken):
            os.close(queue.take().descriptor)
        assert not queue.is_waiting()


def test_what_does_not_fit_stays(queue: PassedConnections) -> None:
    ours, client = socket.socketpair()
    with ours, client:
        assert queue.put(ours, SERVER, bytes(MAX_AHEAD_BYTES))
        passed = queue.take()
        assert passed.ahead == bytes(MAX_AHEAD_BYTES)
        os.close(passed.descriptor)
        assert not queue.put(ours, SERVER, bytes(MAX_AHEAD_BYTES + 1))
    assert not queue.put(ours, SERVER, b""), "it is closed"


@pytest.mark.parametrize(
    ("unsent", "is_ending", "data", "passed"),
    [
        (0, False, b"GET /console HTTP/1.1\r\n", True),
        (0, False, b"GET /healthz HTTP/1.1\r\n", False),
        (9, False, b"GET /console HTTP/1.1\r\n", False),  # an answer is not sent yet
        (0, True, b"GET /console HTTP/1.1\r\n", False),  # both processes end
    ],
)
def test_what_the_event_loop_passes_on(
    queue: PassedConnections, unsent: int, is_ending: bool, data: bytes, passed: bool
) -> None:
    ours, client = socket.socketpair()
    with ours, client:
        transport = SimpleNamespace(
            get_write_buffer_size=lambda: unsent,
            get_extra_info={"socket": ours}.get,
        )
        edge = LoopEdge.__new__(LoopEdge)
        edge.passed = queue
        edge.parts = cast("Any", SimpleNamespace(faces=ListenerPaths(load_settings({}))))
        edge.answers = AnswerLimits(is_ending=is_ending)
        assert edge.pass_on(transport, SERVER, data) is passed
        assert queue.is_waiting() is passed
        if passed:
            found = queue.take()
            os.close(found.descriptor)
            assert (found.server, found.ahead) == (SERVER, data)


def test_a_console_process_refuses_what_is_too_many(queue: PassedConnections) -> None:
    process = ConsoleProcess.__new__(ConsoleProcess)
    process._edge = cast("Any", SimpleNamespace(connections={object()}))
    process._most = 1
    ours, client = socket.socketpair()
    with client:
        with ours:
            assert queue.put(ours, SERVER, b"GET /console HTTP/1.1\r\n\r\n")
        process._accept(queue)
        answer = read_answer(client)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /console HTTP/1.1\r\n", True),
        (b"GET /console/ HTTP/1.1\r\n", True),
        (b"GET /console?next=%2F HTTP/1.1\r\n", True),
        (b"POST /console/login HTTP/1.1\r\n", True),
        (b"DELETE /admin/v1/tokens/ops HTTP/1.1\r\n", True),
        (b"GET /admin/v1/find?q=" + b"x" * 200, True),
        (b"GET /consoles HTTP/1.1\r\n", False),
        (b"GET /admin/v12 HTTP/1.1\r\n", False),
        (b"POST /hooks/console HTTP/1.1\r\n", False),
        (b"POST /hooks/x?/console/ HTTP/1.1\r\n", False),
        (b"GET /cons", False),  # a receiver answers it
        (b"GET http://bridge/console HTTP/1.1\r\n", False),
        (b"GET\r\n", False),
        (b"\x16\x03\x01\x02\x00\x01", False),
        (b"", False),
    ],
)
def test_requests_for_the_console(head: bytes, expected: bool) -> None:
    assert (find_reader_path(head) is not None) is expected
