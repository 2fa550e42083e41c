"""The misbehaving twin: a wrapper around the application that answers chosen calls of the flow API
as a bad day would.

A fault is written `ENDPOINT=KIND`, such as `start_pipeline=429:2*3`: what it is for, what happens,
and how often. Of several, each request gets the first that is for it and is not used up.
"""

from __future__ import annotations

import errno
import fcntl
import io
import mmap
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from bridge.core.errors import BridgeError
from bridge.routing.expressions.roots import near
from bridge.system.logs import get_logger
from bridge.web.flow_api.routes import ENDPOINTS

log = get_logger()
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

PREFIX: Final = "/api/v1/"
NAMES: Final = tuple(endpoint.path for endpoint in ENDPOINTS)
GARBAGE: Final = b"\x00\xff<html><title>Welcome to nginx!</title>"
LONGEST: Final = 3600.0  # seconds of slowness
MAX_BODY: Final = 32 * 1024 * 1024  # bytes of a body in which fields are looked for
_FORM = re.compile(r"(?P<kind>[^:*]*)(?::(?P<argument>[^*]*))?(?:\*(?P<count>\d{1,6}))?")
_COUNT = struct.Struct("I")


class FaultError(BridgeError):
    """A fault that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What can go wrong. `does` says it, with the `{kind}` and the `{argument}` that are written.

    `argument` is what may stand after a colon, empty where nothing may; `check` says what is wrong
    with it.
    """

    does: str
    act: Callable[[Fault, Wsgi, dict[str, Any], Callable[..., Any]], Iterable[bytes]]
    argument: str = ""
    check: Callable[[str], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, read. `fields` are what a request must have in its query or its JSON body; `count`
    is null for every time.
    """

    text: str
    endpoint: str
    fields: tuple[tuple[str, str], ...]
    kind: str
    argument: str = ""
    count: int | None = None

    @property
    def words(self) -> str:
        """What happens and how often, as a sentence for people."""
        often = (
            "every time"
            if self.count is None
            else "once"
            if self.count == 1
            else f"{self.count} times"
        )
        does = row_of(self.kind).does.format(kind=self.kind, argument=self.argument)
        after = f" (Retry-After: {self.argument})" if self.kind.isdigit() and self.argument else ""
        return f"{does}{after}; {often}"

    def is_for(self, endpoint: str, fields: Callable[[], Mapping[str, str]]) -> bool:
        """Tell whether a request is meant."""
        return fnmatchcase(endpoint, self.endpoint) and all(
            fields().get(name) == value for name, value in self.fields
        )


# -- reading
# --------------------------------------------------------------------------------------------------


def row_of(kind: str) -> Kind:
    """Return the row of a kind; a status has that of all statuses."""
    return KINDS["STATUS" if kind.isdigit() else kind]


def read_fault(text: str) -> Fault:
    """Return a fault as written, or raise `FaultError` saying what is wrong with it and what would
    be right.
    """
    where, equals, what = text.strip().rpartition("=")
    found = _FORM.fullmatch(what)
    if not equals or not where or found is None:
        raise FaultError(
            f"{text!r} is no fault: write ENDPOINT=KIND, such as start_pipeline=429:2*3"
            " (Retry-After 2, three times)"
        )
    endpoint, _, query = where.partition("?")
    if not any(fnmatchcase(one, endpoint) for one in NAMES):
        raise FaultError(
            f"{text!r}: there is no endpoint {endpoint!r}; {near(endpoint, NAMES)}there are:"
            f" {', '.join(NAMES)}"
        )
    fields = tuple(parse_qsl(query, keep_blank_values=True))
    if query and not all(
        name and "=" in part for part, (name, _) in zip(query.split("&"), fields, strict=False)
    ):
        raise FaultError(
            f"{text!r}: {query!r} is not NAME=VALUE, such as start_pipeline?saved_item_id=echo=500"
        )
    kind = found["kind"]
    argument = found["argument"] or ""
    count = int(found["count"]) if found["count"] else None
    row = KINDS["STATUS"] if re.fullmatch(r"[2-5]\d\d", kind) else KINDS.get(kind)
    if row is None or kind == "STATUS":
        known = ["429", *(name for name in KINDS if name != "STATUS")]
        raise FaultError(
            f"{text!r}: there is no kind {kind!r}; {near(kind, known)}there are: a status such as"
            f" {', '.join(known)}"
        )
    if argument and not row.argument:
        raise FaultError(f"{text!r}: {kind} takes nothing after a colon")
    if wrong := row.check(argument):
        raise FaultError(f"{text!r}: {wrong}")
    if count == 0:
        raise FaultError(f"{text!r}: *0 would never happen; leave it out for every time")
    return Fault(text.strip(), endpoint, fields, kind, argument, count)


def _is_span(argument: str) -> str:
    try:
        fits = 0 <= float(argument) <= LONGEST
    except ValueError:
        fits = False
    return (
        ""
        if fits
        else f"slow wants seconds, at most {LONGEST:g}, such as slow:1.5; found {argument!r}"
    )


def _is_header(argument: str) -> str:
    return (
        ""
        if argument.isascii() and argument.isprintable()
        else "Retry-After is seconds or a date, in ASCII"
    )


# -- what happens
# --------------------------------------------------------------------------------------------------


def _status(
    fault: Fault, _app: Wsgi, _environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    status = int(fault.kind)
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "As Asked For"
    headers = [("Retry-After", fault.argument)] if fault.argument else []
    said = {
        "error": "rate_limit" if status == 429 else "fault",
        "message": f"as the fault {fault.text} says",
    }
    return _answer(start_response, f"{status} {phrase}", headers, orjson.dumps(said))


def _garbage(
    _fault: Fault, app: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    _run(app, environ)
    return _answer(start_response, "200 OK", [], GARBAGE)


def _slow(
    fault: Fault, app: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    status, headers, body = _run(app, environ)
    time.sleep(float(fault.argument))
    start_response(status, headers)
    return [body]


def _drop(
    _fault: Fault, _app: Wsgi, environ: dict[str, Any], _start_response: Callable[..., Any]
) -> Iterable[bytes]:
    # else the kernel would reset the connection, maybe before all was sent
    while environ["wsgi.input"].read(65536):
        pass
    raise _cut(environ)


def _lost(
    _fault: Fault, app: Wsgi, environ: dict[str, Any], _start_response: Callable[..., Any]
) -> Iterable[bytes]:
    _run(app, environ)
    raise _cut(environ)


def _ok(
    _fault: Fault, app: Wsgi, environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    return app(environ, start_response)


#: What can go wrong, by the word for it; `STATUS` stands for any number from 200 to 599.
KINDS: Final[Mapping[str, Kind]] = {
    "STATUS": Kind(
        "does nothing, and answers {kind}", _status, "what Retry-After says", _is_header
    ),
    "garbage": Kind("does what was asked, and answers 200 with what is no JSON", _garbage),
    "slow": Kind(
        "does what was asked, and answers {argument} seconds later", _slow, "seconds", _is_span
    ),
    "drop": Kind("does nothing, and closes the connection without an answer", _drop),
    "lost": Kind("does what was asked, and closes the connection without an answer", _lost),
    "ok": Kind(
        "does what was asked, and answers: to let some requests pass before the next fault", _ok
    ),
}


def _answer(
    start_response: Callable[..., Any], status: str, headers: list[tuple[str, str]], body: bytes
) -> list[bytes]:
    start_response(
        status, [*headers, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def _run(app: Wsgi, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    """Let the application do what was asked and return its answer instead of giving it."""
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
    """End the connection; the error that is returned is for gunicorn, which takes it for a client
    that has gone.
    """
    sock = environ.get("gunicorn.socket")
    if sock is not None:
        sock.shutdown(socket.SHUT_RDWR)
    return ConnectionResetError(errno.ECONNRESET, "cut off, as a fault says")


# -- when
# --------------------------------------------------------------------------------------------------


class Counts:
    """How often each fault has happened, in all processes together: create it before the fork."""

    def __init__(self, faults: int) -> None:
        self._fd = os.memfd_create("flowbridge-faults", os.MFD_CLOEXEC)
        os.write(self._fd, bytes(max(faults, 1) * _COUNT.size))
        self._counts = mmap.mmap(self._fd, max(faults, 1) * _COUNT.size)
        self._mutex = threading.Lock()

    def take(self, place: int, most: int | None) -> int:
        """Count one more and return how many there are; 0 where there have been as many as there
        may be.
        """
        with self._alone():
            (count,) = _COUNT.unpack_from(self._counts, place * _COUNT.size)
            if most is not None and count >= most:
                return 0
            _COUNT.pack_into(self._counts, place * _COUNT.size, count + 1)
            return int(count) + 1

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._mutex:  # of the threads here
            fcntl.lockf(self._fd, fcntl.LOCK_EX)  # of the processes
            try:
                yield
            finally:
                fcntl.lockf(self._fd, fcntl.LOCK_UN)


class Faults:
    """The application with faults. Create it before the fork, so that all receivers count
    together.
    """

    def __init__(self, app: Wsgi, faults: Sequence[Fault]) -> None:
        self._app = app
        self._faults = faults
        self._counts = Counts(len(faults))

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        fault = self._next(path.removeprefix(PREFIX), environ) if path.startswith(PREFIX) else None
        if fault is None:
            return self._app(environ, start_response)
        return row_of(fault.kind).act(fault, self._app, environ, start_response)

    def _next(self, endpoint: str, environ: dict[str, Any]) -> Fault | None:
        known: dict[str, str] | None = None

        def fields() -> Mapping[str, str]:
            nonlocal known
            known = _fields(environ) if known is None else known
            return known

        for place, fault in enumerate(self._faults):
            if fault.is_for(endpoint, fields) and (number := self._counts.take(place, fault.count)):
                log.info("fault", endpoint=endpoint, fault=fault.text, number=number)
                return fault
        return None


def _fields(environ: dict[str, Any]) -> dict[str, str]:
    """Return the texts and numbers of a request's query and JSON body; the body can be read once
    more.
    """
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if environ["REQUEST_METHOD"] != "POST" or int(environ.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        return query
    data = environ["wsgi.input"].read(MAX_BODY)
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(data), str(len(data))
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return query
    return (
        query | {k: str(v) for k, v in body.items() if isinstance(v, str | int | float)}
        if isinstance(body, dict)
        else query
    )
