"""gunicorn's HTTP parsers with callbacks: the one in C where it is installed, else in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from gunicorn import util
from gunicorn.asgi import parser as python_parser
from gunicorn.http import errors as http_errors

from bridge.web.hook_messages import RequestHead

try:
    c_parser: Any = import_module("gunicorn_h1c")
except ImportError:
    c_parser = None

LIMITS: Mapping[str, int] = {
    "limit_request_line": 8190,
    "limit_request_fields": 100,
    "limit_request_field_size": 8190,
}
#: Parse errors that are not answered with 400, by the names of their classes in both parsers.
ERROR_STATUSES = {
    "LimitRequestLine": HTTPStatus.REQUEST_URI_TOO_LONG,
    "LimitRequestHeaders": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "UnsupportedTransferCoding": HTTPStatus.NOT_IMPLEMENTED,
}
#: The parser in C has no class for this error.
C_CODING_ERROR = "Unsupported Transfer-Encoding"
#: Headers of which a second one makes a request ambiguous.
SINGLE_HEADERS = frozenset({"content-length", "content-type", "host"})


class MalformedRequest(Exception):
    """Malformed HTTP; `status` answers it."""

    def __init__(self, reason: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        self.status = status
        super().__init__(reason)


class HttpParser(Protocol):
    """What a connection needs of a parser."""

    method: bytes
    path: bytes
    headers: list[tuple[bytes, bytes]]
    http_version: tuple[int, int]
    content_length: int | None
    is_chunked: bool
    should_keep_alive: bool

    def feed(self, data: bytes) -> None: ...
    def remaining(self) -> bytes: ...
    def reset(self) -> None: ...


def make_parser(
    on_head: Callable[[], bool], on_body: Callable[[bytes], None], on_end: Callable[[], None]
) -> HttpParser:
    """Return a parser that calls these functions."""
    kind = python_parser.PythonProtocol if c_parser is None else c_parser.H1CProtocol
    parser: HttpParser = kind(
        on_headers_complete=on_head, on_body=on_body, on_message_complete=on_end, **LIMITS
    )
    return parser


def explain_error(error: Exception) -> MalformedRequest:
    """Return the answer to an error of either parser, whose text may quote the request."""
    name = type(error).__name__
    if isinstance(error, MalformedRequest):
        return error
    if str(error) == C_CODING_ERROR:
        name = "UnsupportedTransferCoding"
    return MalformedRequest(name, ERROR_STATUSES.get(name, HTTPStatus.BAD_REQUEST))


def read_head(parser: HttpParser, address: str | None) -> RequestHead:
    """Return the head of the request that was parsed. Raises `MalformedRequest`."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in parser.headers:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        if "_" in name:  # WSGI could not tell it from the one with a hyphen
            continue
        if name == "transfer-encoding" and value.strip().lower() != "chunked":
            raise MalformedRequest("TransferCoding", HTTPStatus.NOT_IMPLEMENTED)
        if name in headers and (name in SINGLE_HEADERS or name == "transfer-encoding"):
            raise MalformedRequest("RepeatedHeader")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if headers.pop("content-length", None) is not None and "transfer-encoding" in headers:
        raise MalformedRequest("TwoFramings")
    if not headers.get("content-type", "x"):
        del headers["content-type"]
    raw = parser.path.decode("latin-1")
    if not raw or any(not "!" <= character <= "\xff" or character == "\x7f" for character in raw):
        raise MalformedRequest("RequestTarget")
    try:
        parts = util.split_request_uri(raw)
    except (ValueError, http_errors.ParseException):
        raise MalformedRequest("RequestTarget") from None
    path = unquote_to_bytes(parts.path.encode("latin-1")).decode("latin-1")
    return RequestHead(
        method=parser.method.decode("latin-1"),
        path=path,
        target=raw if raw.startswith("/") else path,
        query_string=parts.query or "",
        headers=headers,
        scheme="http",
        address=address,
    )
