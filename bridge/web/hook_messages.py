"""Converts WSGI environments to requests, and replies to WSGI responses, for /hooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from werkzeug.http import HTTP_STATUS_CODES

from bridge.core.errors import Refused
from bridge.core.http_messages import Request
from bridge.core.model import JSON
from bridge.providers.model import Reply

StartResponse = Callable[..., Any]


def read_request(
    environ: Mapping[str, Any], body: bytes, public_url: str, client: str | None
) -> Request:
    """Return the request of a WSGI environment.

    Its path is unchanged, so that a signature over the URL can be verified.
    """
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name[:5] == "HTTP_"
    }
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
    target = raw if raw.startswith("/") else environ["PATH_INFO"]
    return Request(
        method=environ["REQUEST_METHOD"],
        path=target.partition("?")[0],
        headers=headers,
        body=body,
        query_string=environ.get("QUERY_STRING", ""),
        url=public_url + target,
        client=client,
    )


def write_reply(
    reply: Reply, start_response: StartResponse, headers: Mapping[str, str] | None = None
) -> list[bytes]:
    given = [("Content-Type", reply.content_type), ("Content-Length", str(len(reply.body)))]
    given += [*reply.headers.items(), *(headers or {}).items()]
    start_response(f"{reply.status} {HTTP_STATUS_CODES.get(reply.status, 'Unknown')}", given)
    return [reply.body]


def write_refusal(
    refused: Refused, start_response: StartResponse, more: Mapping[str, JSON] | None = None
) -> list[bytes]:
    body = (
        {"error": refused.code}
        if refused.status == 401
        else {"error": refused.code, "message": refused.message}
    )
    return write_reply(
        Reply(refused.status, body=orjson.dumps({**body, **(more or {})})),
        start_response,
        refused.headers,
    )
