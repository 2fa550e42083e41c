"""Reads request heads: plain ones by a pattern, all others with gunicorn's parsers.

The parser is the one in C where it is installed, else the one in Python. They get heads only: the
body is decoded by `request_body`, which is the same for both, and stricter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib import import_module
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from gunicorn import util
from gunicorn.asgi import parser as python_parser
from gunicorn.http import errors as http_errors

from bridge.core.records import record
from bridge.web.receiving.hook_messages import RequestHead
from bridge.web.server.http_limits import HEAD_LIMITS, PARSE_ERROR_STATUSES
from bridge.web.server.request_target import read_target

MAX_FIELDS: Final = HEAD_LIMITS["limit_request_fields"]
#: A head that is no longer than this has no line that is too long.
MAX_BYTES: Final = min(HEAD_LIMITS["limit_request_line"], HEAD_LIMITS["limit_request_field_size"])
#: Fields that the parser reads, whatever their values.
PARSER_FIELDS: Final = frozenset({"expect", "transfer-encoding", "upgrade"})
#: Values of Connection -> whether the client lets the connection be used again.
CONNECTIONS: Final = {"keep-alive": True, "close": False}
# Possessive: each byte is read once, whatever the bytes are.
_FIELD: Final = r"[A-Za-z0-9-]++:[ \t]*+[!-~][\t -~]*+\r\n"
_HEAD: Final = re.compile(
    rb"(GET|POST) (/[!-~]*+) HTTP/1\.1\r\n((?:%b){1,%d}+)\r\n" % (_FIELD.encode(), MAX_FIELDS)
)
_NAME_AND_VALUE: Final = re.compile(r"([^:]+):[ \t]*([^\r]+)\r\n")


@record
class PlainHead:
    """A plain head, and its `size` in bytes. `headers` have lower-case names."""

    method: str
    target: str
    headers: dict[str, str]
    size: int
    keeps_alive: bool


def read_plain_head(data: bytes) -> PlainHead | None:
    """Return the plain head that bytes begin with; None if the parser has to read them."""
    match = _HEAD.match(data, 0, MAX_BYTES)
    if match is None:
        return None
    fields = _NAME_AND_VALUE.findall(match[3].decode("ascii"))
    headers = {name.lower(): value.rstrip(" \t") for name, value in fields}
    keeps_alive = CONNECTIONS.get(headers.get("connection", "keep-alive").lower())
    if keeps_alive is None or len(headers) < len(fields) or not PARSER_FIELDS.isdisjoint(headers):
        return None
    return PlainHead(
        method=match[1].decode("ascii"),
        target=match[2].decode("ascii"),
        headers=headers,
        size=match.end(),
        keeps_alive=keeps_alive,
    )


try:
    c_parser: Any = import_module("gunicorn_h1c")
except ImportError:
    c_parser = None

#: The parser in C has no class for this error.
C_CODING_ERROR = "Unsupported Transfer-Encoding"
#: Headers of which a second one makes a request ambiguous.
SINGLE_HEADERS = frozenset({"content-length", "content-type", "host", "transfer-encoding"})
MAX_LENGTH_DIGITS: Final = 18
HEAD_END: Final = b"\r\n\r\n"
_TARGET: Final = re.compile(r"[!-~]+")
MAX_START_BYTES: Final = HEAD_LIMITS["limit_request_line"] + len(HEAD_END)  # with the request line


class MalformedRequest(Exception):
    """Malformed HTTP; `status` answers it. The text has nothing of the request."""

    def __init__(self, reason: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        self.status = status
        super().__init__(reason)


@record
class ParsedHead:
    """The head of one request, and how its body is framed.

    `length` is None for a body in chunks, and 0 without a body. `keeps_alive`: the client lets the
    connection be used again. `may_chunk`: it understands an answer in chunks.
    """

    request: RequestHead
    length: int | None
    keeps_alive: bool
    expects_continue: bool
    may_chunk: bool


class HeadReader:
    """Reads the heads of the requests of one connection."""

    def __init__(self) -> None:
        kind = python_parser.PythonProtocol if c_parser is None else c_parser.H1CProtocol
        self._parser = kind(on_headers_complete=self._finish, **HEAD_LIMITS)
        self._clear()

    def _clear(self) -> None:
        self._plain: PlainHead | None = None
        self._start = b""  # of the head, with the request line
        self._tail = b""  # the last bytes that were fed: a head may end in two packets
        self._is_finished = False

    def _finish(self) -> bool:
        """Let the parser skip the body."""
        self._is_finished = True
        return True

    def feed(self, data: bytes) -> bytes | None:
        """Return the bytes that follow the head; None while it is incomplete.

        Raises `MalformedRequest`.
        """
        if not self._start and (plain := read_plain_head(data)) is not None:
            self._plain = plain
            return data[plain.size :]
        joined = self._tail + data
        end = joined.find(HEAD_END)
        has_end = end >= 0
        size = end + len(HEAD_END) - len(self._tail) if has_end else len(data)
        self._tail = joined[1 - len(HEAD_END) :]
        if len(self._start) < MAX_START_BYTES:
            self._start += data[: min(size, MAX_START_BYTES)]
        try:
            self._parser.feed(data[:size])
        except Exception as error:
            raise _explain(error) from None
        if self._is_finished is not has_end:
            raise MalformedRequest("HeadEnd")
        return data[size:] if has_end else None

    def read(self, address: str | None) -> ParsedHead:
        """Return the head, which is complete, and prepare for the next.

        Raises `MalformedRequest`.
        """
        if self._plain is not None:
            plain, self._plain = self._plain, None
            return ParsedHead(
                request=_make_head(plain.method, plain.target, plain.headers, address),
                length=read_length(plain.headers),
                keeps_alive=plain.keeps_alive,
                expects_continue=False,
                may_chunk=True,
            )
        self._check_request_line()
        parser = self._parser
        headers = read_headers(parser.headers)
        length = read_length(headers)
        is_new = parser.http_version >= (1, 1)
        if length is None and not is_new:
            raise MalformedRequest("OldChunks")
        expects = headers.get("expect", "").lower()
        if expects not in ("", "100-continue"):
            raise MalformedRequest("Expectation", HTTPStatus.EXPECTATION_FAILED)
        head = ParsedHead(
            request=_make_head(
                parser.method.decode("latin-1"),
                parser.path.decode("latin-1"),
                headers,
                address,
                protocol="HTTP/1.1" if is_new else "HTTP/1.0",
            ),
            length=length,
            keeps_alive=parser.should_keep_alive and parser.method != b"CONNECT",
            expects_continue=bool(expects) and is_new,
            may_chunk=is_new,
        )
        parser.reset()
        self._clear()
        return head

    def _check_request_line(self) -> None:
        """Raise `MalformedRequest` unless there are two blanks: the parser in C reads over more."""
        line = self._start.removeprefix(b"\r\n").partition(b"\r\n")[0]
        if line.count(b" ") != 2:
            raise MalformedRequest("RequestLine")


def _explain(error: Exception) -> MalformedRequest:
    """Return the answer to an error of either parser, whose text may quote the request."""
    name = "UnsupportedTransferCoding" if str(error) == C_CODING_ERROR else type(error).__name__
    return MalformedRequest(name, PARSE_ERROR_STATUSES.get(name, HTTPStatus.BAD_REQUEST))


def read_headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers by their lower-case names. Raises `MalformedRequest`."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name = raw_name.decode("latin-1").lower()
        value = raw_value.decode("latin-1")
        if "_" in name:  # WSGI could not tell it from the one with a hyphen
            continue
        if name == "transfer-encoding" and value.strip(" \t").lower() != "chunked":
            raise MalformedRequest("TransferCoding", HTTPStatus.NOT_IMPLEMENTED)
        if name in headers and name in SINGLE_HEADERS:
            raise MalformedRequest("RepeatedHeader")
        if name in headers:
            # HTTP/2 lets a browser split its cookies, and a comma may be a part of a cookie
            value = f"{headers[name]}{'; ' if name == 'cookie' else ','}{value}"
        headers[name] = value
    if not headers.get("content-type", "x"):
        del headers["content-type"]
    return headers


def read_length(headers: dict[str, str]) -> int | None:
    """Take the Content-Length out of the headers, and return it; None for a body in chunks.

    Raises `MalformedRequest`.
    """
    content_length = headers.pop("content-length", None)
    if "transfer-encoding" in headers:
        if content_length is not None:
            raise MalformedRequest("TwoFramings")
        return None
    if content_length is None:
        return 0
    if not (
        content_length.isascii()
        and content_length.isdigit()
        and len(content_length) <= MAX_LENGTH_DIGITS
    ):
        raise MalformedRequest("ContentLength")
    return int(content_length)


def _make_head(
    method: str,
    raw: str,
    headers: dict[str, str],
    address: str | None,
    *,
    protocol: str = "HTTP/1.1",
) -> RequestHead:
    """Return the head for the request target `raw`."""
    if not _TARGET.fullmatch(raw) or (read := read_target(raw)) is None:
        raise MalformedRequest("RequestTarget")
    host, target = read
    if host is not None:
        headers["host"] = host
    try:
        parts = util.split_request_uri(target)
    except (ValueError, http_errors.ParseException):
        raise MalformedRequest("RequestTarget") from None
    path = unquote_to_bytes(parts.path.encode("latin-1")).decode("latin-1")
    return RequestHead(
        method=method,
        path=path,
        target=target,
        query_string=parts.query or "",
        headers=headers,
        scheme="http",
        address=address,
        protocol=protocol,
    )
