"""Answers of hooks and of Flask as the bytes of a connection, written from the loop or a thread."""

from __future__ import annotations

import asyncio
import errno
import io
import sys
import threading
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Protocol

from gunicorn import util

from bridge.web.receiving.hook_messages import HookAnswer, RequestHead
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.http_limits import MALFORMED_REQUEST

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]
BODILESS_STATUSES = frozenset({204, 304})
HOP_HEADERS = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "te", "trailers", "transfer-encoding"}
)


class ThreadWriter(Protocol):
    """Writes an answer from a thread. Raises `BrokenPipeError` where the client is gone."""

    def start(
        self, status: str, headers: list[tuple[str, str]], *, chunked: bool, length: int | None
    ) -> None:
        """Write the head. `length`: the bytes of the body that the application declares."""

    def write(self, data: bytes) -> None:
        """Write a part of the body, and wait while the client reads too slowly."""


class PageWriter(ThreadWriter, Protocol):
    """A `ThreadWriter` that is called at the end of an answer, too."""

    def end(self) -> None:
        """Write the end of the body. Raises `ConnectionAbortedError` where it is too short."""

    def abort(self) -> None:
        """Close the connection at once, for a fault that is injected."""


class RequestSocket:
    """Gives streams the limits of a request's socket, and a way to close it."""

    reading = None  # no thread waits for the request

    def __init__(self, answers: AnswerLimits, abort: Callable[[], None]) -> None:
        self.answers = answers
        self._abort = abort

    def shutdown(self, _how: int) -> None:
        """Close the connection."""
        self._abort()


def make_environ(
    head: RequestHead,
    stdin: io.BufferedIOBase,
    length: int | None,
    server: tuple[str, int],
    socket: RequestSocket,
) -> dict[str, Any]:
    """Return the WSGI environment of a request. `length` is None for a body in chunks."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": head.path,
        "QUERY_STRING": head.query_string,
        "RAW_URI": head.target,
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": head.protocol,
        "REMOTE_ADDR": head.address or "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": head.scheme,
        "wsgi.input": stdin,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "gunicorn.socket": socket,
    }
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    for name, value in head.headers.items():
        key = name.upper().replace("-", "_")
        environ["CONTENT_TYPE" if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    return environ


def call_application(app: WsgiApp, environ: dict[str, Any], writer: ThreadWriter) -> None:
    """Call the application and write its answer. Raises what it raises."""
    heads: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _error: Any = None
    ) -> Callable[[bytes], None]:
        heads[:] = [(status, headers)]
        return writer.write

    parts = app(environ, start_response)
    try:
        is_started = False
        bodiless = environ["REQUEST_METHOD"] == "HEAD"
        for part in parts:
            if not is_started:
                bodiless = _start(heads[0], writer, bodiless=bodiless)
                is_started = True
            if part and not bodiless:
                writer.write(part)
        if not is_started:
            _start(heads[0], writer, bodiless=bodiless)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()


def _start(
    head: tuple[str, list[tuple[str, str]]], writer: ThreadWriter, *, bodiless: bool
) -> bool:
    """Write the head of an answer, and return whether it has no body."""
    status, headers = head
    kept = [(name, value) for name, value in headers if name.lower() not in HOP_HEADERS]
    bodiless = bodiless or int(status[:3]) in BODILESS_STATUSES
    declared = next((value for name, value in kept if name.lower() == "content-length"), None)
    length = None if bodiless or declared is None else int(declared)
    writer.start(status, kept, chunked=declared is None and not bodiless, length=length)
    return bodiless


CHECK_SECONDS: Final = 1.0  # between two checks whether the client is still there


class LoopThreadWriter:
    """Passes the parts of an answer to the loop, and waits while the client reads too slowly."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: Any, *, keeps: bool, may_chunk: bool
    ) -> None:
        """Create the writer. Without `may_chunk`, an answer of unknown length ends with the
        connection. `keeps`: the connection stays open after the answer.
        """
        self._loop = loop
        self._transport = transport
        self._writable = threading.Event()
        self._writable.set()
        self._is_gone = False
        self._is_chunked = False
        self._may_chunk = may_chunk
        self._left: int | None = None
        self.keeps = keeps
        self.is_started = False

    def start(
        self, status: str, headers: list[tuple[str, str]], *, chunked: bool, length: int | None
    ) -> None:
        """Write the head. `length`: the bytes of the body that the application declares."""
        self._left = length
        self._is_chunked = chunked and self._may_chunk
        self.keeps = self.keeps and self._is_chunked is chunked
        framing = b"Transfer-Encoding: chunked\r\n\r\n" if self._is_chunked else b"\r\n"
        head = head_bytes(status, headers, keeps=self.keeps)[:-2] + framing
        self.is_started = True
        self._send(head)

    def write(self, data: bytes) -> None:
        """Write a part of the body, and wait while the client reads too slowly.

        What is beyond the declared length is dropped: the client would take it for the next answer.
        """
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        self._send(b"%x\r\n%s\r\n" % (len(data), data) if self._is_chunked else data)

    def end(self) -> None:
        """Write the end of the body. Raises `ConnectionAbortedError` where it is too short."""
        if self._left:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the answer is shorter than declared")
        if self._is_chunked:
            self._send(b"0\r\n\r\n")

    def pause(self) -> None:
        """Let the thread wait, since the client reads too slowly. Call it on the loop."""
        self._writable.clear()

    def resume(self) -> None:
        """Let the thread go on. Call it on the loop."""
        self._writable.set()

    def abort(self) -> None:
        """Close the connection at once, for a fault that is injected."""
        self._loop.call_soon_threadsafe(self._transport.abort)

    def disconnect(self) -> None:
        """Let the thread's next write fail, since the client is gone. Call it on the loop."""
        self._is_gone = True
        self._writable.set()

    def _send(self, data: bytes) -> None:
        self._writable.wait()
        if self._is_gone:
            raise BrokenPipeError(errno.EPIPE, "the client is gone")
        written = threading.Event()

        def write() -> None:
            if not self._is_gone:
                self._transport.write(data)
            written.set()

        self._loop.call_soon_threadsafe(write)
        while not written.wait(CHECK_SECONDS):
            if self._is_gone:  # the loop has ended
                raise BrokenPipeError(errno.EPIPE, "the client is gone")


def head_bytes(status: str, headers: Iterable[tuple[str, str]], *, keeps: bool) -> bytes:
    """Return the head of an answer; `keeps`: the connection stays open."""
    lines = [
        f"HTTP/1.1 {status}",
        "Server: gunicorn",
        f"Date: {_date_text(int(time.time()))}",
        f"Connection: {'keep-alive' if keeps else 'close'}",
        *(f"{name}: {value}" for name, value in headers if name.lower() not in HOP_HEADERS),
    ]
    head = "\r\n".join((*lines, "\r\n"))
    if head.count("\r") + head.count("\n") != 2 * (len(lines) + 1):
        raise ValueError("a line break in the head of an answer")
    return head.encode("latin-1")


@lru_cache(maxsize=1)  # all answers of a second have the same
def _date_text(second: int) -> str:
    text: str = util.http_date(second)
    return text


def answer_bytes(answer: HookAnswer, method: str, *, keeps: bool) -> bytes:
    """Return the answer to a request of this method."""
    head = head_bytes(f"{answer.status} {answer.reason}", answer.headers, keeps=keeps)
    is_bodiless = method == "HEAD" or answer.status in BODILESS_STATUSES
    return head if is_bodiless else head + answer.body


def answer_malformed(status: HTTPStatus) -> bytes:
    """Return the answer to malformed HTTP; it has nothing of the request."""
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(MALFORMED_REQUEST))),
    ]
    return head_bytes(f"{status.value} {status.phrase}", headers, keeps=False) + MALFORMED_REQUEST
