"""Calls the Flask application for one request, in a thread."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from bridge.web.hook_messages import RequestHead
from bridge.web.server.answer_limits import AnswerLimits

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
    given: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], _error: Any = None
    ) -> Callable[[bytes], None]:
        given[:] = [(status, headers)]
        return writer.write

    parts = app(environ, start_response)
    try:
        is_started = False
        bodiless = environ["REQUEST_METHOD"] == "HEAD"
        for part in parts:
            if not is_started:
                bodiless = _start(given[0], writer, bodiless=bodiless)
                is_started = True
            if part and not bodiless:
                writer.write(part)
        if not is_started:
            _start(given[0], writer, bodiless=bodiless)
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()


def _start(
    given: tuple[str, list[tuple[str, str]]], writer: ThreadWriter, *, bodiless: bool
) -> bool:
    """Write the head of an answer, and return whether it has no body."""
    status, headers = given
    kept = [(name, value) for name, value in headers if name.lower() not in HOP_HEADERS]
    bodiless = bodiless or int(status[:3]) in BODILESS_STATUSES
    declared = next((value for name, value in kept if name.lower() == "content-length"), None)
    length = None if bodiless or declared is None else int(declared)
    writer.start(status, kept, chunked=declared is None and not bodiless, length=length)
    return bodiless
