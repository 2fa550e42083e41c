"""Builds the requests with which a provider tests a URL, and hostile values for them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from senders import Sender, sender
from signing import post

from bridge.core.http_messages import Request
from bridge.core.model import Event
from bridge.providers.model import Reply

MARKUP = "<script>alert(1)</script>"
TEXTS = [
    "",
    " ",
    MARKUP,
    "a\r\nSet-Cookie: x=1",
    "a\x00b",
    "a\u202eb",
    "é",
    "\ud800",
    "x" * 201,
    "a b",
    "{}",
]
HOSTILE: list[Any] = [*TEXTS, None, 1, True, [], ["a"], {"a": 1}]


def ask(
    name: str,
    method: str = "GET",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    **query: str,
) -> Request:
    text = urlencode(query, errors="surrogatepass")
    request = post(
        body, headers or {}, url=f"https://example.com/hooks/{name}?{text}", query_string=text
    )
    return replace(request, method=method)


def answer(one: Sender | str, request: Request) -> tuple[Reply, list[Event]]:
    received, events = (sender(one) if isinstance(one, str) else one).receive(request)
    return received.reply, events


def json_post(name: str, document: Any, **headers: str) -> Request:
    return ask(
        name, "POST", json.dumps(document).encode(), {"content-type": "application/json", **headers}
    )
