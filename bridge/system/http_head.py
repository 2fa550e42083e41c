"""Heads of HTTP/1.1 messages: encode the one of a request, read the one of an answer.

http.client writes a request header by header, and parses an answer with the parser for emails.
Both take longer than the system calls. Here a request is one string, and the usual lines of an
answer are matched by one expression each; http.client's parser still reads any other head.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from email.parser import Parser
from functools import lru_cache
from http import HTTPStatus
from http.client import (
    HTTPException,
    HTTPMessage,
    HTTPResponse,
    InvalidURL,
    LineTooLong,
    UnknownProtocol,
)
from importlib.metadata import version
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from urllib3 import HTTPHeaderDict

from bridge.core.http_messages import Answer

MAX_HEADER_LINES: Final = 100  # of an answer, as in http.client
MAX_LINE_BYTES: Final = 65536
MAX_PARSED_URLS: Final = 256  # that are remembered: an installation calls few
BODYLESS_METHODS: Final = frozenset({"GET", "HEAD", "DELETE", "TRACE", "OPTIONS", "CONNECT"})
DEFAULT_AGENT: Final = f"python-urllib3/{version('urllib3')}"

PATH_CHARS: Final = "!$&'()*+,;=:@/"  # of RFC 3986, and those that `quote` never encodes
QUERY_CHARS: Final = f"{PATH_CHARS}?"

_ENCODED = re.compile(r"%[0-9a-fA-F]{2}")
_METHOD = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
_BAD_TARGET = re.compile(r"[^!-~]")
# as http.client checks them: a line break would begin another header
_NAME = re.compile(r"[^:\s][^:\r\n]*", re.ASCII)
_BAD_VALUE = re.compile(r"\n(?![ \t])|\r(?![ \t\n])")
_FIELD = re.compile(rb"([!-9;-~]+):[ \t]*([^\r\n]*)\r?\n")
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_END_OF_HEAD = (b"\r\n", b"\n", b"")


class Target(NamedTuple):
    """The parts of a URL that a call needs: where to connect, and the target of the request."""

    scheme: str
    host: str | None
    port: int | None
    path: str  # with the query, percent-encoded


@lru_cache(MAX_PARSED_URLS)
def parse_target(url: str) -> Target:
    """Parse a URL. Raises `ValueError` where it is not one."""
    parts = urlsplit(url)
    path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
    target = _encode_part(path, PATH_CHARS)
    if parts.query:
        target += "?" + _encode_part(parts.query, QUERY_CHARS)
    return Target(parts.scheme, parts.hostname, parts.port, target)


def _encode_part(text: str, allowed: str) -> str:
    """Percent-encode the other characters; what is encoded already stays so."""
    text, encoded = _ENCODED.subn(lambda match: match[0].upper(), text)
    safe = f"{allowed}%" if encoded == text.count("%") else allowed
    return quote(text, safe, errors="surrogatepass")


def encode_host(host: str, port: int, default_port: int) -> str:
    """Return the value of the Host header."""
    name = host if host.isascii() else host.encode("idna").decode("ascii")
    if ":" in name:
        name = f"[{name.partition('%')[0]}]"  # without the zone of an IPv6 address
    return name if port == default_port else f"{name}:{port}"


def encode_request(
    method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """Return a request in one piece. `host`: the Host header, unless `headers` has one.

    Raises `ValueError` where the method, the target or a header would break the request.
    """
    if not _METHOD.fullmatch(method):
        raise ValueError("the method has characters that HTTP does not allow")
    if _BAD_TARGET.search(target):
        raise InvalidURL("the URL has characters that HTTP does not allow")
    names = {name.lower() for name in headers}
    lines = [f"{method} {target} HTTP/1.1"]
    if "host" not in names:
        lines.append(f"Host: {host}")
    if "accept-encoding" not in names:
        lines.append("Accept-Encoding: identity")
    if "content-length" not in names and (body is not None or method not in BODYLESS_METHODS):
        lines.append(f"Content-Length: {len(body or b'')}")
    if "user-agent" not in names:
        lines.append(f"User-Agent: {DEFAULT_AGENT}")
    for name, value in headers.items():
        if not name.isascii() or not _NAME.fullmatch(name) or _BAD_VALUE.search(value):
            raise ValueError("a header has characters that HTTP does not allow")
        lines.append(f"{name}: {value}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1") + (body or b"")


class HeadReader(HTTPResponse):
    """http.client's response, with a faster reader of the head. It reads bodies as before.

    `fields`: the headers; `headers` stays empty.
    """

    fields: HTTPHeaderDict

    def begin(self) -> None:
        """Read the head. Raises `HTTPException` where it is not one, or too long."""
        protocol, status, reason = self._read_status()
        while status == HTTPStatus.CONTINUE:
            read_lines(self.fp)
            protocol, status, reason = self._read_status()
        if not protocol.startswith("HTTP/1.") and protocol != "HTTP/0.9":
            raise UnknownProtocol(protocol)
        self.code = self.status = status
        self.reason = reason.strip()
        self.version = 10 if protocol in ("HTTP/1.0", "HTTP/0.9") else 11
        self._frame(parse_fields(read_lines(self.fp)))

    def _frame(self, fields: list[tuple[str, str]]) -> None:
        """Determine where the body ends, and whether the connection ends with it."""
        self.fields = HTTPHeaderDict()
        first: dict[str, str] = {}  # of a repeated header, the first line counts
        for name, value in fields:
            self.fields.add(name, value)
            first.setdefault(name.lower(), value)
        self.chunked = first.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = None if self.chunked else _parse_length(first.get("content-length", ""))
        if (
            self.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
            or self.status < 200
            or self._method == "HEAD"
        ):
            self.length = 0
        self.will_close = _ends_connection(first, self.version) or (
            self.length is None and not self.chunked
        )

    # Attributes of http.client's response that its stubs leave out.
    _method: str | None
    _read_status: Any
    code: int
    chunk_left: int | None


def read_answer(head: HeadReader, limit: int) -> Answer | None:
    """Read the body of an answer that has a length of at most `limit` bytes and is not compressed.

    Returns None, and reads nothing, for any other. An answer whose body does not come whole still
    has its status: it is `truncated`.
    """
    length = head.length
    if (
        length is None
        or length > limit
        or "content-encoding" in head.fields
        or "," in head.fields.get("content-length", "")
    ):
        return None
    body = b""
    with suppress(HTTPException, OSError, ValueError):
        body = head.read(length)
    is_whole = len(body) == length
    if not is_whole:
        head.close()
    headers = {name.lower(): value for name, value in head.fields.items()}
    return Answer(
        status=head.status,
        headers=headers,
        body=body if is_whole else b"",
        truncated=not is_whole,
    )


def read_lines(stream: Any) -> list[bytes]:
    """Read the header lines of a head, without the empty line at its end."""
    lines: list[bytes] = []
    while True:
        line = stream.readline(MAX_LINE_BYTES + 1)
        if len(line) > MAX_LINE_BYTES:
            raise LineTooLong("header line")
        if line in _END_OF_HEAD:
            return lines
        lines.append(line)
        if len(lines) >= MAX_HEADER_LINES:
            raise HTTPException(f"got more than {MAX_HEADER_LINES} headers")


def parse_fields(lines: list[bytes]) -> list[tuple[str, str]]:
    """Return the names and values of header lines, as http.client parses them."""
    fields = []
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            return _parse_odd_fields(lines)
        fields.append((match[1].decode("ascii"), match[2].decode("latin-1")))
    return fields


def _parse_odd_fields(lines: list[bytes]) -> list[tuple[str, str]]:
    """Parse a head that has continued or malformed lines."""
    message = Parser(_class=HTTPMessage).parsestr(b"".join(lines).decode("latin-1"))
    return [(name, _unfold(value)) for name, value in message.items()]


def _unfold(value: str) -> str:
    """Return a continued value as one line."""
    lines = _LINE_BREAK.split(value)
    return " ".join(line.strip(" \t") for line in lines) if len(lines) > 1 else value


def _parse_length(text: str) -> int | None:
    try:
        length = int(text)
    except ValueError:
        return None
    return length if length >= 0 else None


def _ends_connection(first: Mapping[str, str], number: int) -> bool:
    """Return whether the server closes the connection after this answer, by its headers."""
    connection = first.get("connection", "").lower()
    if number == 11:
        return "close" in connection
    is_kept = first.get("keep-alive") or "keep-alive" in connection
    return not (is_kept or "keep-alive" in first.get("proxy-connection", "").lower())
