"""One connection of the event loop, with a transport and an edge that record."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bridge.core.errors import Refused
from bridge.core.timings import Timings
from bridge.core.units import MIB
from bridge.web.receiving.body_reader import BodyReader
from bridge.web.receiving.hook_messages import answer_refusal
from bridge.web.receiving.hook_receiver import HookRequest
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.event_loop.answers import LoopThreadWriter
from bridge.web.server.event_loop.connection import MAX_HELD_PAGE_BYTES, LoopConnection
from bridge.web.server.event_loop.request_body import MAX_UNREAD_BYTES, RequestBody, StreamedBody
from bridge.web.server.http_limits import LINGER_BYTES

SERVER = ("127.0.0.1", 8080)


class Transport:
    """A transport that records."""

    def __init__(self) -> None:
        self.written = b""
        self.is_reading = True
        self.is_aborted = False
        self.is_cut = False
        self.has_eof = False
        self.is_reset = False
        self.unsent = 0

    def get_extra_info(self, name: str) -> Any:
        return SERVER if name == "sockname" else ("192.0.2.1", 9)

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        self.is_reading = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self.is_reset:
            raise OSError(errno.ENOTCONN, "not connected")
        self.has_eof = True

    def is_closing(self) -> bool:
        return self.is_aborted

    def close(self) -> None:
        self.is_aborted = True

    def abort(self) -> None:
        self.is_aborted = self.is_cut = True

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Edge:
    """An edge without webhooks, which records the calls of Flask."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.answers = AnswerLimits()
        self.timings = Timings(last_request_seconds=0.0)
        self.keep_alive_seconds = 75.0
        self.intake = BodyReader()
        self.connections: set[Any] = set()
        self.pages: list[tuple[str, Any, Callable[[BaseException | None], None]]] = []
        self.writers: list[LoopThreadWriter] = []
        self.calls = SimpleNamespace(answer=lambda *call: self.hook_calls.append(call))
        self.streams = 0
        self.hook: HookRequest | None = None
        self.hook_calls: list[tuple[Any, ...]] = []

    def is_hook(self, _path: str) -> bool:
        return self.hook is not None

    def begin(self, _head: Any, _server: Any) -> Any:
        return self.hook

    def find_intake(self, _path: str, _server: Any) -> BodyReader:
        return self.intake

    def takes_body(self, _head: Any, _server: Any) -> bool:
        return True

    def pass_on(self, _transport: Any, _server: Any, _data: bytes) -> bool:
        return False

    def may_keep(self, _path: str) -> bool:
        return True

    def take_stream(self) -> bool:
        self.streams += 1
        return self.streams == 1

    def free_stream(self) -> None:
        self.streams -= 1

    def call_flask(
        self, head: Any, stdin: Any, _length: Any, _server: Any, writer: Any, ended: Any
    ) -> None:
        self.writers.append(writer)
        self.pages.append((head.target, stdin, ended))


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def edge(loop: asyncio.AbstractEventLoop) -> Edge:
    return Edge(loop)


def connect(edge: Edge) -> tuple[LoopConnection, Transport]:
    connection = LoopConnection(edge, ("127.0.0.1", 80))  # type: ignore[arg-type]  # a stand-in
    transport = Transport()
    connection.connection_made(transport)
    return connection, transport


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def turn(edge: Edge) -> None:
    """Run what the loop has to do now."""
    edge.loop.run_until_complete(asyncio.sleep(0))


def test_bytes_that_arrive_before_earlier_ones_are_read_come_after_them(edge: Edge) -> None:
    connection, _ = connect(edge)
    connection.data_received(get("/a") + get("/b")[:9])
    edge.pages[0][2](None)
    connection.data_received(get("/b")[9:])  # the loop has not read the first nine yet
    turn(edge)
    assert [target for target, _, _ in edge.pages] == ["/a", "/b"]


def test_what_follows_too_soon_has_to_wait(edge: Edge) -> None:
    connection, transport = connect(edge)
    connection.data_received(get("/a"))
    connection.data_received(get("/b") * 4000)
    assert not transport.is_reading
    edge.pages[0][2](None)
    turn(edge)
    assert transport.is_reading
    assert len(edge.pages) == 2


def test_a_client_that_does_not_read_gets_no_further_answer(edge: Edge) -> None:
    connection, transport = connect(edge)
    connection.data_received(get("/a") + get("/b"))
    connection.pause_writing()
    edge.pages[0][2](None)
    turn(edge)
    connection.data_received(get("/c") * 4000)
    assert len(edge.pages) == 1
    assert not transport.is_reading
    connection.resume_writing()
    assert [target for target, _, _ in edge.pages] == ["/a", "/b"]
    assert transport.is_reading
    connection.connection_lost(None)


def test_an_idle_connection_has_a_moment_at_the_end_and_a_begun_one_its_answer(
    edge: Edge,
) -> None:
    idle, closed = connect(edge)
    begun, answered = connect(edge)
    begun.data_received(get("/a"))
    edge.answers.is_ending = True
    for connection in (idle, begun):
        connection.begin_end()
    _, late = connect(edge)
    until = edge.loop.time() + 60
    while not (closed.is_aborted and late.is_aborted):
        assert edge.loop.time() < until
        turn(edge)
    assert not answered.is_aborted
    edge.pages[0][2](None)
    while not answered.is_aborted:
        assert edge.loop.time() < until
        turn(edge)


@pytest.mark.parametrize("stage", ["idle", "half closed", "lingering"])
def test_a_connection_that_is_closed_does_not_wait_for_a_client_without_end(
    edge: Edge, stage: str
) -> None:
    edge.answers.stall_seconds = 0.0
    edge.keep_alive_seconds = 0.0
    connection, transport = connect(edge)
    transport.unsent = 1000  # fewer than pause the writing
    if stage == "half closed":
        connection.data_received(get("/a"))
        assert connection.eof_received()
        edge.pages[0][2](None)
    elif stage == "lingering":
        connection.data_received(b"malformed\r\n\r\n")
        assert transport.has_eof
        assert not connection.eof_received()
        connection.close()
    until = edge.loop.time() + 60
    while not transport.is_cut:
        assert edge.loop.time() < until
        turn(edge)


@pytest.mark.parametrize("count", [1, 2])
def test_a_client_that_has_closed_its_end_gets_its_answers_and_the_end(
    edge: Edge, count: int
) -> None:
    connection, transport = connect(edge)
    connection.data_received(get("/a") * count)
    assert connection.eof_received()
    for number in range(count):
        assert not transport.is_closing()
        edge.pages[number][2](None)
        turn(edge)
    assert transport.is_closing(), "no other request can come"


def test_a_client_that_is_to_see_an_error_is_cut_off(edge: Edge) -> None:
    connection, transport = connect(edge)
    connection.data_received(get("/a"))
    edge.pages[0][2](ConnectionResetError())
    assert transport.is_aborted
    assert transport.written == b""


@pytest.mark.parametrize(
    ("error", "status"),
    [(RuntimeError(), b"500"), (Refused(503, "busy", "busy"), b"503")],
    ids=["unforeseen", "refused"],
)
def test_a_page_that_fails_before_its_answer_is_answered_with_the_error(
    edge: Edge, error: Exception, status: bytes
) -> None:
    connection, transport = connect(edge)
    connection.data_received(get("/a"))
    edge.pages[0][2](error)
    assert transport.written.startswith(b"HTTP/1.1 " + status)


def test_a_page_that_fails_within_its_answer_ends_the_connection(edge: Edge) -> None:
    connection, transport = connect(edge)
    connection.data_received(get("/a"))
    thread = threading.Thread(
        target=edge.writers[0].start, args=("200 OK", []), kwargs={"chunked": True, "length": None}
    )
    thread.start()
    while thread.is_alive():
        turn(edge)
    thread.join()
    edge.pages[0][2](RuntimeError())
    assert transport.is_cut
    assert transport.written.count(b"HTTP/1.1") == 1


def test_a_webhook_that_is_declared_too_large_is_refused_before_its_body(edge: Edge) -> None:
    edge.hook = cast(
        "HookRequest", SimpleNamespace(max_body=10, network=None, refuse=answer_refusal)
    )
    connection, transport = connect(edge)
    connection.data_received(b"POST /hooks/a HTTP/1.1\r\nContent-Length: 11\r\n\r\n")
    assert transport.written.startswith(b"HTTP/1.1 413 ")
    assert transport.has_eof, "the rest of the body is no request"


def test_a_client_whose_answer_ends_the_connection_is_read_until_it_closes(edge: Edge) -> None:
    connection, transport = connect(edge)
    connection.data_received(get("/a")[:-2] + b"Connection: close\r\n\r\n")
    connection.data_received(get("/b") * 4000)
    assert not transport.is_reading
    edge.pages[0][2](None)
    assert transport.has_eof
    assert transport.is_reading, "else it is not seen to close"
    connection.data_received(b"x" * LINGER_BYTES)
    assert not transport.is_closing()
    connection.data_received(b"x")
    assert transport.is_cut, "it may send without end"


def test_a_client_that_does_not_read_has_less_time_at_the_end(edge: Edge) -> None:
    edge.answers.stall_seconds = 600.0
    connection, transport = connect(edge)
    connection.data_received(get("/a"))
    connection.pause_writing()
    edge.answers.stall_seconds = 0.0
    connection.begin_end()
    until = edge.loop.time() + 60
    while not transport.is_cut:
        assert edge.loop.time() < until
        turn(edge)


def test_a_client_that_is_gone_at_its_answer_is_cut_off(edge: Edge) -> None:
    connection, transport = connect(edge)
    connection.data_received(get("/a")[:-2] + b"Connection: close\r\n\r\n")
    transport.is_reset = True
    edge.pages[0][2](None)
    assert transport.is_cut


def test_a_webhook_that_gets_no_answer_does_not_wait_for_ever(edge: Edge) -> None:
    edge.hook = cast("HookRequest", SimpleNamespace(max_body=MIB, network=None))
    edge.timings = Timings(request_answer_seconds=0.0)
    connection, transport = connect(edge)
    connection.data_received(b"POST /hooks/a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    assert len(edge.hook_calls) == 1
    until = edge.loop.time() + 60
    while not transport.is_cut:
        assert edge.loop.time() < until
        turn(edge)
    connection._answer(None)
    assert transport.written == b""


def test_a_large_body_goes_to_its_thread_as_it_arrives(edge: Edge) -> None:
    head = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"80000\r\n" + b"x" * 0x80000 + b"\r\n"
    connection, transport = connect(edge)
    connection.data_received(head + chunk * 2)
    assert edge.pages == []
    connection.data_received(chunk)
    [(_, stdin, ended)] = edge.pages
    assert stdin.read(MAX_HELD_PAGE_BYTES) == b"x" * MAX_HELD_PAGE_BYTES
    connection.data_received(chunk + b"0\r\n\r\n")
    assert len(stdin.read()) == 2 * 0x80000
    ended(None)
    assert transport.has_eof, "such a connection is not used again"
    assert edge.streams == 0


def test_a_body_that_is_declared_large_is_refused_where_too_many_arrive(edge: Edge) -> None:
    head = b"POST /a HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n"
    first, _ = connect(edge)
    first.data_received(head)
    assert len(edge.pages) == 1, "the application may refuse it at once"
    second, refused = connect(edge)
    second.data_received(head + b"x")
    assert len(edge.pages) == 1
    assert refused.written.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 5\r\n" in refused.written


def test_a_client_waits_for_a_thread_that_is_behind(edge: Edge) -> None:
    connection, transport = connect(edge)
    connection.data_received(b"POST /a HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n")
    connection.data_received(b"x" * (MAX_UNREAD_BYTES + 1))
    assert not transport.is_reading
    stdin = edge.pages[0][1]
    stdin.read(MAX_UNREAD_BYTES + 1)
    turn(edge)
    assert transport.is_reading


@pytest.mark.parametrize("way", ["half closed", "lost", "framing"])
def test_a_thread_fails_to_read_a_body_that_does_not_arrive(edge: Edge, way: str) -> None:
    connection, _ = connect(edge)
    chunked = way == "framing"
    kind = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 2000000"
    begin = b"100001\r\n" + b"x" * 0x100001 + b"\r\n" if chunked else b"x"
    connection.data_received(b"POST /a HTTP/1.1\r\n%s\r\n\r\n%s" % (kind, begin))
    if way == "half closed":
        assert connection.eof_received(), "it still gets its answer"
    elif way == "lost":
        connection.connection_lost(None)
    else:
        connection.data_received(b"no size\r\n")
    with pytest.raises(TimeoutError):
        edge.pages[0][1].read()


def test_a_thread_waits_for_bytes() -> None:
    body = StreamedBody(lambda: None)
    timer = threading.Timer(0.01, lambda: (body.push(b"late"), body.end()))
    timer.start()
    assert body.readall() == b"late"
    timer.join()


def test_bytes_buy_no_more_than_a_few_seconds_of_silence() -> None:
    timings = Timings()
    body = RequestBody(25 * MIB, BodyReader(), timings)
    body.add(b"x" * 24 * MIB)
    assert body.seconds_left <= timings.request_body_seconds


def test_a_paused_body_keeps_its_time() -> None:
    body = RequestBody(2, BodyReader(), Timings(request_body_seconds=600.0))
    body.pause()
    left = body.seconds_left
    assert body.seconds_left == left
    body.resume()
    assert body.seconds_left <= left


def test_a_body_is_limited_by_what_is_declared_and_by_what_arrives() -> None:
    intake = BodyReader(100)
    declared = RequestBody(50, intake, Timings())
    with pytest.raises(Refused, match="larger than 40 bytes"):
        declared.limit(40)
    chunked = RequestBody(None, intake, Timings())
    chunked.limit(40)
    with pytest.raises(Refused, match="larger than 40 bytes"):
        chunked.add(b"29\r\n" + b"x" * 41 + b"\r\n")
    held = RequestBody(90, intake, Timings())
    held.add(b"x" * 90)
    other = RequestBody(20, intake, Timings())
    with pytest.raises(Refused) as busy:
        other.add(b"x" * 20)
    assert busy.value.status == 503
    held.release()
    assert other.take() == b""
    assert RequestBody(20, intake, Timings()).add(b"x" * 21) == b"x"
