"""Answers as bytes of a connection."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus

from gunicorn import util

from bridge.web.hook_messages import HookAnswer
from bridge.web.server.event_loop.wsgi_calls import BODILESS_STATUSES, HOP_HEADERS
from bridge.web.server.http_limits import MALFORMED_REQUEST


def head_bytes(status: str, headers: Iterable[tuple[str, str]], *, keeps: bool) -> bytes:
    """Return the head of an answer; `keeps`: the connection stays open."""
    lines = [
        f"HTTP/1.1 {status}",
        "Server: gunicorn",
        f"Date: {_date_text(int(time.time()))}",
        f"Connection: {'keep-alive' if keeps else 'close'}",
        *(f"{name}: {value}" for name, value in headers if name.lower() not in HOP_HEADERS),
    ]
    head = "\r\n".join((*lines, "\r\n"))
    if head.count("\r") + head.count("\n") != 2 * (len(lines) + 1):
        raise ValueError("a line break in the head of an answer")
    return head.encode("latin-1")


@lru_cache(maxsize=1)  # all answers of a second have the same
def _date_text(second: int) -> str:
    text: str = util.http_date(second)
    return text


def answer_bytes(answer: HookAnswer, method: str, *, keeps: bool) -> bytes:
    """Return the answer to a request of this method."""
    head = head_bytes(f"{answer.status} {answer.reason}", answer.headers, keeps=keeps)
    is_bodiless = method == "HEAD" or answer.status in BODILESS_STATUSES
    return head if is_bodiless else head + answer.body


def answer_malformed(status: HTTPStatus) -> bytes:
    """Return the answer to malformed HTTP; it has nothing of the request."""
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(MALFORMED_REQUEST))),
    ]
    return head_bytes(f"{status.value} {status.phrase}", headers, keeps=False) + MALFORMED_REQUEST
