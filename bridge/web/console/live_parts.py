"""Parts of a page that the script asks for again: counts of new rows, rows and numbers.

A part is at the URL of its page, for requests with the header of htmx. Its ETag lets a part that
has not changed be answered with 304 and no body.
"""

from __future__ import annotations

import hashlib
from typing import Final

from werkzeug.wrappers import Request, Response

from bridge.store.queries.event_feed import newest_numbers
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.links import make_link
from bridge.web.console.lists import NEWER, PAGE_PARAMETERS, ListKind

MAX_NEW: Final = 100  # new rows that are counted


def make_tag(content: bytes) -> str:
    """Return the ETag of a part that shows some content."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def is_known(console_request: ConsoleRequest, tag: str) -> bool:
    """Return whether the client has the part with an ETag, so that none need be rendered."""
    return console_request.wants_part and console_request.http.headers.get("If-None-Match") == tag


def send_part(html: str, request: Request, screen: Screen) -> Response:
    """Return a part, or 304 where the client has it."""
    tag = screen.etag or make_tag(html.encode())
    if screen.status == 200 and request.headers.get("If-None-Match") == tag:
        return Response(status=304, headers={"ETag": tag})
    response = Response(html, status=screen.status, content_type="text/html; charset=utf-8")
    response.headers["ETag"] = tag
    return response


def count_new_rows(console_request: ConsoleRequest, kind: ListKind) -> Screen | Response:
    """Return how many rows a list has above the one that a page shows first.

    While the store has no later record there is nothing to count, which takes two look-ups.
    """
    tag = '"{}-{}"'.format(*newest_numbers(console_request.context.database))
    if is_known(console_request, tag):
        return Response(status=304, headers={"ETag": tag})
    first = console_request.http.args.get(NEWER, "")
    query = {
        name: texts
        for name, texts in console_request.given.items()
        if name not in (*PAGE_PARAMETERS, NEWER)
    }
    full_query = {**query, **kind.fixed, "limit": [str(MAX_NEW)]}
    ids = [
        row["id"] for row in console_request.read(kind.answer, kind.parameters, full_query)["items"]
    ]
    # a row that no longer matches is not in the list: ids begin with the time
    count = ids.index(first) if first in ids else sum(row_id > first for row_id in ids)
    return Screen(
        template="new_rows.html",
        title="",
        values={"count": count, "is_more": count >= MAX_NEW, "url": make_link(kind.path, query)},
        is_part=True,
        etag=tag,
    )
