"""The answer of Flask, written from its thread to a connection of the event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bridge.web.server.event_loop.answers import LoopThreadWriter, call_application


class Loop:
    """Runs at once what a thread passes to it."""

    def call_soon_threadsafe(self, call: Callable[[], None]) -> None:
        call()


class Transport:
    """A transport that records."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def answer(
    parts: list[bytes], *headers: tuple[str, str], method: str = "GET", may_chunk: bool = True
) -> tuple[LoopThreadWriter, bytes, bytes]:
    """Return the writer, the head and the body of an application's answer."""
    transport = Transport()
    loop: Any = Loop()
    writer = LoopThreadWriter(loop, transport, keeps=True, may_chunk=may_chunk)

    def app(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", list(headers))
        return parts

    call_application(app, {"REQUEST_METHOD": method}, writer)
    writer.end()
    head, _, body = transport.written.partition(b"\r\n\r\n")
    return writer, head, body


def test_an_answer_of_unknown_length_is_in_chunks_or_ends_with_the_connection() -> None:
    writer, head, body = answer([b"ab", b"", b"c"])
    assert (writer.keeps, body) == (True, b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    assert b"\r\nTransfer-Encoding: chunked" in head
    writer, head, body = answer([b"ab", b"c"], may_chunk=False)
    assert (writer.keeps, body) == (False, b"abc")
    assert b"Transfer-Encoding" not in head


def test_an_answer_is_never_longer_or_shorter_than_declared() -> None:
    _, _, body = answer([b"ab", b"cd"], ("Content-Length", "3"))
    assert body == b"abc"
    with pytest.raises(ConnectionAbortedError):
        answer([b"ab"], ("Content-Length", "3"))


def test_an_answer_to_head_has_the_length_and_no_body() -> None:
    writer, head, body = answer([b"abc"], ("Content-Length", "3"), method="HEAD")
    assert (writer.keeps, body) == (True, b"")
    assert b"\r\nContent-Length: 3" in head


def test_a_header_with_a_line_break_is_refused() -> None:
    with pytest.raises(ValueError, match="line break"):
        answer([], ("X-A", "b\r\nX-C: d"))
