"""Requests and answers as the messages of ASGI, for other servers than gunicorn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from bridge.providers.model import Reply
from bridge.web.hook_messages import RequestHead, answer_reply
from bridge.web.server.event_loop.http_parser import MalformedRequest, read_headers, read_length
from bridge.web.server.event_loop.wsgi_calls import HOP_HEADERS
from bridge.web.server.http_limits import MALFORMED_REQUEST

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
RawHeaders = list[tuple[bytes, bytes]]


def read_head(scope: Scope) -> tuple[RequestHead, int | None]:
    """Return the head of a request, and the length of its body; None where none is declared.

    Raises `MalformedRequest`.
    """
    headers = read_headers(scope["headers"])
    has_length = "content-length" in headers
    length = read_length(headers)
    path = read_path(scope)
    query = scope.get("query_string", b"").decode("latin-1")
    if any(not "!" <= character <= "~" for character in path + query):
        raise MalformedRequest("RequestTarget")
    client = scope.get("client")
    decoded = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    target = path if path.startswith("/") else decoded
    head = RequestHead(
        method=scope["method"],
        path=decoded,
        target=f"{target}?{query}" if query else target,
        query_string=query,
        headers=headers,
        scheme=scope.get("scheme", "http"),
        address=(client[0] or None) if client else None,
        protocol=f"HTTP/{scope.get('http_version', '1.1')}",
    )
    return head, length if has_length else None


def read_path(scope: Scope) -> str:
    """Return the path as it was sent; encoded again where the server has only the decoded one."""
    raw: bytes | None = scope.get("raw_path")
    if raw:
        return raw.partition(b"?")[0].decode("latin-1")
    return quote(scope["path"], safe="/:@!$&'()*+,;=~", errors="surrogateescape")


def read_server(scope: Scope) -> tuple[str, int]:
    """Return the address of the socket that a request came to; `("", 0)` where it has none."""
    host, port = scope.get("server") or ("", 0)
    return host, port or 0


def encode_headers(headers: Iterable[tuple[str, str]], *, closes: bool) -> RawHeaders:
    """Return the headers of an answer; with `closes`, no request may follow on its connection."""
    kept = [(name, value) for name, value in headers if name.lower() not in HOP_HEADERS]
    if any(mark in text for pair in kept for text in pair for mark in "\r\n"):
        raise ValueError("a line break in the head of an answer")
    given = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in kept]
    return [*given, (b"connection", b"close")] if closes else given


async def refuse_head(send: Send, status: HTTPStatus, *, closes: bool) -> None:
    """Answer malformed HTTP; the answer has nothing of the request."""
    answer = answer_reply(Reply(status.value, body=MALFORMED_REQUEST))
    headers = encode_headers(answer.headers, closes=closes)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
