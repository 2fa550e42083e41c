"""The actions of injected faults on a request."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any, Final

import orjson

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

GARBAGE: Final = b"\x00\xff<html><title>Welcome to nginx!</title>"


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """One parsed fault. `fields`: the values that a request must have in its query or JSON body;
    `count` is None for every time.
    """

    text: str
    endpoint: str
    fields: tuple[tuple[str, str], ...]
    kind: str
    argument: str = ""
    count: int | None = None

    def is_for(self, endpoint: str, fields: Callable[[], Mapping[str, str]]) -> bool:
        """Return whether the fault matches a request."""
        return fnmatchcase(endpoint, self.endpoint) and all(
            fields().get(name) == value for name, value in self.fields
        )


def answer_status(
    fault: InjectedFault, _app: Wsgi, _environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    status = int(fault.kind)
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "As Asked For"
    headers = [("Retry-After", fault.argument)] if fault.argument else []
    said = {
        "error": "rate_limit" if status == 429 else "fault",
        "message": f"injected by the fault {fault.text}",
    }
    return _answer(start_response, f"{status} {phrase}", headers, orjson.dumps(said))


def answer_garbage(
    _fault: InjectedFault, app: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    _run(app, environ)
    return _answer(start_response, "200 OK", [], GARBAGE)


def answer_late(
    fault: InjectedFault, app: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    status, headers, body = _run(app, environ)
    time.sleep(float(fault.argument))
    start_response(status, headers)
    return [body]


def drop_request(
    _fault: InjectedFault, _app: Wsgi, environ: dict[str, Any], _start_response: Callable[..., Any]
) -> Iterable[bytes]:
    # else the kernel would reset the connection, maybe before the client has sent everything
    while environ["wsgi.input"].read(65536):
        pass
    raise _cut(environ)


def lose_answer(
    _fault: InjectedFault, app: Wsgi, environ: dict[str, Any], _start_response: Callable[..., Any]
) -> Iterable[bytes]:
    _run(app, environ)
    raise _cut(environ)


def pass_through(
    _fault: InjectedFault, app: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    return app(environ, start_response)


def _answer(
    start_response: Callable[..., Any], status: str, headers: list[tuple[str, str]], body: bytes
) -> list[bytes]:
    start_response(
        status, [*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def _run(app: Wsgi, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    """Run the request in the application, and return its response instead of sending it."""
    answer: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        answer[:] = [status, headers]

    pieces = app(environ, start)
    try:
        body = b"".join(pieces)
    finally:
        if (close := getattr(pieces, "close", None)) is not None:
            close()
    return answer[0], answer[1], body


def _cut(environ: dict[str, Any]) -> ConnectionResetError:
    """Close the connection; return the error that makes gunicorn treat the client as gone."""
    sock = environ.get("gunicorn.socket")
    if sock is not None:
        sock.shutdown(socket.SHUT_RDWR)
    return ConnectionResetError(errno.ECONNRESET, "cut off by an injected fault")
