"""More answers of the admin API about records: evidence, submissions and changes."""

from __future__ import annotations

import time
from typing import Final

from bridge.core.model import JSON, Delivery, Event
from bridge.core.times import iso
from bridge.services import redacted_views
from bridge.services.change_tail import decode_tail_cursor, read_tail, start_tail
from bridge.services.exports import ExportedSubmission, page_submissions
from bridge.services.lists import WrongCursor
from bridge.services.unknown_deliveries import read_unknown
from bridge.web.admin.context import AdminContext, AdminRequest, Answer
from bridge.web.admin.problems import AdminProblem, ParameterError
from bridge.web.admin.resources import find_event, page_request

TAIL_POLL_SECONDS: Final = 0.2


def show_evidence(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a delivery with the evidence of its start, as `resolve --json`."""
    found = find_event(context, asked)
    if found.delivery_id is None:
        raise AdminProblem("not_found", "that is the id of an event, not of a delivery")
    one = read_unknown(context.database, found.delivery_id, context.config())
    return redacted_views.describe_unknown(
        one.as_json(), one.delivery, with_contents=asked.with_contents
    )


def list_submissions(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the submissions of a form, newest first, without spam."""
    source = asked.ids["source"]
    sources = context.config().sources
    if source not in sources:
        raise AdminProblem("not_found", f"routes.yaml has no source {source[:100]!r}")
    request = page_request(context, f"submissions of {source}", asked)
    page = page_submissions(context.database, sources, source, request)
    return page.as_json(ExportedSubmission.as_json)


def list_changes(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the changes after a cursor; without one, only the cursor to begin with."""
    after = asked.values["after"]
    if after is None:
        return {"items": [], "next": start_tail(context.database).encode()}
    try:
        cursor = decode_tail_cursor(after)
    except WrongCursor as error:
        raise AdminProblem(
            "cursor_of_another_list", str(error), errors=[ParameterError("after", str(error))]
        ) from None
    until = time.monotonic() + asked.values["wait"]
    while True:
        changes, following = read_tail(context.database, cursor)
        if changes or time.monotonic() >= until:
            break
        time.sleep(TAIL_POLL_SECONDS)
    items: list[JSON] = [_change(one, with_contents=asked.with_contents) for one in changes]
    return {"items": items, "next": following.encode()}


def _change(one: Event | Delivery, *, with_contents: bool) -> dict[str, JSON]:
    event, delivery = (one, None) if isinstance(one, Event) else (None, one)
    return {
        "kind": "event" if event else "delivery",
        "at": iso(event.received_at if event else time.time()),
        "event": redacted_views.list_event(event, (), with_contents=with_contents)
        if event
        else None,
        "delivery": redacted_views.list_delivery(delivery, with_contents=with_contents)
        if delivery
        else None,
    }
