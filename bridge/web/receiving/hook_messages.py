"""The head and the answer of a request to /hooks, as every HTTP edge reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from flask import Response
from werkzeug.http import HTTP_STATUS_CODES

from bridge.core.errors import Refused
from bridge.core.http_messages import Request
from bridge.core.model import JSON
from bridge.core.records import record
from bridge.providers.model import Reply


@record
class RequestHead:
    """The head of one request.

    `path` is decoded as in WSGI, `target` is the path with its query as it was sent. `headers` have
    lower-case names, without Content-Length; a repeated header is one value joined by a comma.
    `address`: of the peer, which may be a proxy. `protocol`: the version of HTTP that it speaks.
    """

    method: str
    path: str
    target: str
    query_string: str
    headers: Mapping[str, str]
    scheme: str
    address: str | None
    protocol: str = "HTTP/1.1"


@record
class HookAnswer:
    """The answer to one request, without the headers that a server adds."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def make_request(head: RequestHead, body: bytes, public_url: str, client: str | None) -> Request:
    """Return the request that `prepare` gets.

    Its path is unchanged, so that a signature over the URL can be verified.
    """
    return Request(
        method=head.method,
        path=head.target.partition("?")[0],
        headers=head.headers,
        body=body,
        query_string=head.query_string,
        url=public_url + head.target,
        client=client,
    )


def answer_reply(reply: Reply, headers: Mapping[str, str] | None = None) -> HookAnswer:
    """Return the answer with a reply; `headers` are added."""
    content_headers = [
        ("Content-Type", reply.content_type),
        ("Content-Length", str(len(reply.body))),
    ]
    return HookAnswer(
        status=reply.status,
        reason=HTTP_STATUS_CODES.get(reply.status, "Unknown"),
        headers=(*content_headers, *reply.headers.items(), *(headers or {}).items()),
        body=reply.body,
    )


def answer_refusal(refused: Refused, more: Mapping[str, JSON] | None = None) -> HookAnswer:
    """Return the answer to a refused request as JSON; `more` is added to its error."""
    body = (
        {"error": refused.code}
        if refused.status == 401
        else {"error": refused.code, "message": refused.message}
    )
    reply = Reply(refused.status, body=orjson.dumps({**body, **(more or {})}))
    return answer_reply(reply, refused.headers)


def refuse_unforeseen() -> Refused:
    """Return the refusal of a request for an unforeseen error."""
    return Refused(500, "internal_error", "an unexpected error occurred")


def answer_response(response: Response, method: str) -> HookAnswer:
    """Return the answer with a response of Flask, whose body is in memory."""
    parts, status, headers = response.get_wsgi_response({"REQUEST_METHOD": method})
    return HookAnswer(
        status=response.status_code,
        reason=status.partition(" ")[2],
        headers=tuple(headers),
        body=b"".join(parts),
    )
