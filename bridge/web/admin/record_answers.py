"""More answers of the admin API about records: evidence, submissions and changes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bridge.core.model import JSON, Delivery, Event
from bridge.core.times import iso
from bridge.services.change_tail import decode_tail_cursor, read_tail, start_tail
from bridge.services.exports import ExportedSubmission, page_submissions
from bridge.services.lists import WrongCursor
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.event_records import EVENT
from bridge.services.unknown_deliveries import read_unknown
from bridge.store.inbound import events
from bridge.store.queries.events import LISTED_DELIVERIES
from bridge.store.queries.filters import Filters
from bridge.web.admin.context import AdminContext, AdminRequest, Answer
from bridge.web.admin.parameters import NEWEST, OLDEST
from bridge.web.admin.problems import AdminProblem, ParameterError
from bridge.web.admin.request_selection import event_filters, find_event, page_request

TAIL_POLL_SECONDS: Final = 0.2


def show_evidence(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a delivery with the evidence of its start, as `resolve --json`."""
    found = find_event(context, asked)
    if found.delivery_id is None:
        raise AdminProblem("not_found", "that is the id of an event, not of a delivery")
    one = read_unknown(context.database, found.delivery_id, context.config())
    return one.as_json(with_contents=asked.with_contents)


def list_submissions(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the submissions of a form, newest first, without spam."""
    source = asked.ids["source"]
    sources = context.config().sources
    if source not in sources:
        raise AdminProblem("not_found", f"routes.yaml has no source {source[:100]!r}")
    if sources[source].form is None:
        raise AdminProblem("not_found", f"the source {source[:100]!r} is no form")
    request = page_request(context, f"submissions of {source}", asked)
    wanted = Filters(source=source, spam=False)
    page = page_submissions(context.database, sources, wanted, request)
    return page.as_json(ExportedSubmission.as_json)


def list_all_submissions(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of the submissions of all forms that match, newest first."""
    if asked.values["order"] == OLDEST:
        detail = "only an NDJSON stream can begin with the oldest"
        error = ParameterError("order", detail, allowed=[NEWEST])
        raise AdminProblem("invalid_parameter", "not valid: order", errors=[error])
    page = page_submissions(
        context.database,
        context.config().sources,
        submission_filters(context, asked),
        page_request(context, "submissions", asked),
    )
    return page.as_json(ExportedSubmission.as_json)


def submission_filters(context: AdminContext, asked: AdminRequest) -> Filters:
    """Return the filters of a list of submissions, which is without spam if none is asked for."""
    wanted = event_filters(context, asked)
    return replace(wanted, spam=bool(wanted.spam))


def list_changes(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the changes after a cursor; without one, only the cursor to begin with."""
    wanted = event_filters(context, asked)
    after = asked.values["after"]
    if after is None:
        first = start_tail(context.database, wanted, in_flight=bool(asked.values["in_flight"]))
        return {"items": [], "next": first.encode()}
    try:
        cursor = decode_tail_cursor(after)
    except WrongCursor as error:
        raise AdminProblem(
            "cursor_of_another_list", str(error), errors=[ParameterError("after", str(error))]
        ) from None
    with context.seats.wait_in_place() as may_wait:
        until = time.monotonic() + (asked.values["wait"] if may_wait else 0.0)
        while True:
            changes, following = read_tail(context.database, cursor, wanted)
            if changes or time.monotonic() >= until:
                break
            time.sleep(TAIL_POLL_SECONDS)
    ids = [one.id for one in changes if isinstance(one, Event)]
    planned = events.deliveries_of(context.database, ids, LISTED_DELIVERIES)
    items: list[JSON] = [
        _change(one, planned.get(one.id, ()), with_contents=asked.with_contents) for one in changes
    ]
    return {"items": items, "next": following.encode()}


def _change(
    one: Event | Delivery, planned: Sequence[Delivery], *, with_contents: bool
) -> dict[str, JSON]:
    """Return a change. `planned`: the deliveries of an event."""
    event, delivery = (one, None) if isinstance(one, Event) else (None, one)
    return {
        "kind": "event" if event else "delivery",
        "at": iso(event.received_at if event else time.time()),
        "event": EVENT.write(event, deliveries=planned, with_contents=with_contents)
        if event
        else None,
        "delivery": DELIVERY.write(delivery, with_contents=with_contents) if delivery else None,
    }
