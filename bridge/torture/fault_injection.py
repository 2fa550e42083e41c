"""Fault injection: a WSGI middleware that makes chosen calls of the flow API fail.

A fault is written `ENDPOINT=KIND`, such as `start_pipeline=429:2*3`: the call, the failure, and how
often. Each request gets the first fault that matches it and is not used up.
"""

from __future__ import annotations

import fcntl
import io
import mmap
import os
import re
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from bridge.core.errors import BridgeError
from bridge.core.typos import suggest
from bridge.system.logs import get_logger
from bridge.torture.fault_actions import (
    InjectedFault,
    Wsgi,
    answer_garbage,
    answer_late,
    answer_status,
    drop_request,
    lose_answer,
    pass_through,
)
from bridge.web.flow_api.routes import ENDPOINTS

log = get_logger()

API_PREFIX: Final = "/api/v1/"
ENDPOINT_NAMES: Final = tuple(endpoint.path for endpoint in ENDPOINTS)
MAX_DELAY_SECONDS: Final = 3600.0  # seconds of slowness
MAX_BODY_BYTES: Final = 32 * 1024 * 1024  # bytes of a body in which fields are looked for
_FORM = re.compile(r"(?P<kind>[^:*]*)(?::(?P<argument>[^*]*))?(?:\*(?P<count>\d{1,6}))?")
_COUNT = struct.Struct("I")


class FaultError(BridgeError):
    """A fault that is not written correctly."""


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault. `does` describes it, with placeholders `{kind}` and `{argument}`.

    `argument`: the name of the argument after a colon, empty if there is none; `check` returns why
    an argument is not valid.
    """

    does: str
    act: Callable[[InjectedFault, Wsgi, dict[str, Any], Callable[..., Any]], Iterable[bytes]]
    argument: str = ""
    check: Callable[[str], str] = lambda _: ""


# -- reading
# --------------------------------------------------------------------------------------------------


def row_of(kind: str) -> FaultKind:
    """Return the row of a kind; all statuses share one."""
    return FAULT_KINDS["STATUS" if kind.isdigit() else kind]


def describe_fault(fault: InjectedFault) -> str:
    """Return the failure and how often it happens, as a sentence."""
    often = (
        "every time"
        if fault.count is None
        else "once"
        if fault.count == 1
        else f"{fault.count} times"
    )
    does = row_of(fault.kind).does.format(kind=fault.kind, argument=fault.argument)
    retry_after = fault.kind.isdigit() and fault.argument
    after = f" (Retry-After: {fault.argument})" if retry_after else ""
    return f"{does}{after}; {often}"


def read_fault(text: str) -> InjectedFault:
    """Return the parsed fault, or raise `FaultError` with what is wrong and what is allowed."""
    where, equals, what = text.strip().rpartition("=")
    match = _FORM.fullmatch(what)
    if not equals or not where or match is None:
        raise FaultError(
            f"{text!r} is not a fault: write ENDPOINT=KIND, such as start_pipeline=429:2*3"
            " (Retry-After 2, three times)"
        )
    endpoint, _, query = where.partition("?")
    if not any(fnmatchcase(endpoint_name, endpoint) for endpoint_name in ENDPOINT_NAMES):
        raise FaultError(
            f"{text!r}: there is no endpoint {endpoint!r}; {suggest(endpoint, ENDPOINT_NAMES)}"
            f"use one of {', '.join(ENDPOINT_NAMES)}"
        )
    fields = tuple(parse_qsl(query, keep_blank_values=True))
    if query and not all(
        name and "=" in part for part, (name, _) in zip(query.split("&"), fields, strict=False)
    ):
        raise FaultError(
            f"{text!r}: {query!r} is not NAME=VALUE, such as start_pipeline?saved_item_id=echo=500"
        )
    kind = match["kind"]
    argument = match["argument"] or ""
    count = int(match["count"]) if match["count"] else None
    row = FAULT_KINDS["STATUS"] if re.fullmatch(r"[2-5]\d\d", kind) else FAULT_KINDS.get(kind)
    if row is None or kind == "STATUS":
        kinds = ["429", *(name for name in FAULT_KINDS if name != "STATUS")]
        raise FaultError(
            f"{text!r}: there is no kind {kind!r}; {suggest(kind, kinds)}use a status such as"
            f" {', '.join(kinds)}"
        )
    if argument and not row.argument:
        raise FaultError(f"{text!r}: {kind} takes no argument after a colon")
    if wrong := row.check(argument):
        raise FaultError(f"{text!r}: {wrong}")
    if count == 0:
        raise FaultError(
            f"{text!r}: *0 would never happen; leave it out to inject the fault every time"
        )
    return InjectedFault(text.strip(), endpoint, fields, kind, argument, count)


def _is_span(argument: str) -> str:
    try:
        fits = 0 <= float(argument) <= MAX_DELAY_SECONDS
    except ValueError:
        fits = False
    return (
        ""
        if fits
        else f"slow needs seconds, at most {MAX_DELAY_SECONDS:g}, such as slow:1.5; found"
        f" {argument!r}"
    )


def _is_header(argument: str) -> str:
    return (
        ""
        if argument.isascii() and argument.isprintable()
        else "Retry-After must be seconds or a date, in ASCII"
    )


# -- what happens
# --------------------------------------------------------------------------------------------------


#: The kinds of faults by name; `STATUS` stands for any number from 200 to 599.
FAULT_KINDS: Final[Mapping[str, FaultKind]] = {
    "STATUS": FaultKind(
        "does not run the call, and answers with {kind}",
        answer_status,
        "the value of Retry-After",
        _is_header,
    ),
    "garbage": FaultKind(
        "runs the call, and answers 200 with a body that is not JSON", answer_garbage
    ),
    "slow": FaultKind(
        "runs the call, and answers {argument} seconds later",
        answer_late,
        "seconds",
        _is_span,
    ),
    "drop": FaultKind("does nothing, and closes the connection without an answer", drop_request),
    "lost": FaultKind("runs the call, and closes the connection without an answer", lose_answer),
    "ok": FaultKind(
        "runs the call, and answers: to let some requests pass before the next fault",
        pass_through,
    ),
}


# -- when
# --------------------------------------------------------------------------------------------------


class FaultCounters:
    """How often each fault has happened, in all processes together. Create it before the fork."""

    def __init__(self, faults: int) -> None:
        self._fd = os.memfd_create("flowbridge-faults", os.MFD_CLOEXEC)
        os.write(self._fd, bytes(max(faults, 1) * _COUNT.size))
        self._counts = mmap.mmap(self._fd, max(faults, 1) * _COUNT.size)
        self._mutex = threading.Lock()

    def take(self, place: int, limit: int | None) -> int:
        """Count one more and return the count; 0 if the fault is used up."""
        with self._alone():
            (count,) = _COUNT.unpack_from(self._counts, place * _COUNT.size)
            if limit is not None and count >= limit:
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


class FaultInjector:
    """The application with injected faults. Create it before the fork, so that receivers share the
    counts.
    """

    def __init__(self, app: Wsgi, faults: Sequence[InjectedFault]) -> None:
        self._app = app
        self._faults = faults
        self._counts = FaultCounters(len(faults))

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        fault = (
            self._next(path.removeprefix(API_PREFIX), environ)
            if path.startswith(API_PREFIX)
            else None
        )
        if fault is None:
            return self._app(environ, start_response)
        return row_of(fault.kind).act(fault, self._app, environ, start_response)

    def _next(self, endpoint: str, environ: dict[str, Any]) -> InjectedFault | None:
        cached_fields: dict[str, str] | None = None

        def fields() -> Mapping[str, str]:
            nonlocal cached_fields
            cached_fields = _fields(environ) if cached_fields is None else cached_fields
            return cached_fields

        for place, fault in enumerate(self._faults):
            if fault.is_for(endpoint, fields) and (number := self._counts.take(place, fault.count)):
                log.info("fault_injected", endpoint=endpoint, fault=fault.text, number=number)
                return fault
        return None


def _fields(environ: dict[str, Any]) -> dict[str, str]:
    """Return the texts and numbers of a request's query and JSON body. The body stays readable."""
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if (
        environ["REQUEST_METHOD"] != "POST"
        or int(environ.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES
    ):
        return query
    data = environ["wsgi.input"].read(MAX_BODY_BYTES)
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
