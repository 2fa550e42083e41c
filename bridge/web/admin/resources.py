"""The answers of the admin API that read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from bridge import __version__
from bridge.core.errors import AmbiguousId, NotFound
from bridge.core.model import JSON, Reject
from bridge.core.operations import Operation
from bridge.core.scopes import list_scopes
from bridge.core.times import iso
from bridge.ingest.diagnosis import diagnose
from bridge.ingest.redaction import add_keys
from bridge.services import lists, redacted_views
from bridge.services.dead_causes import group_by_cause
from bridge.services.event_details import NamedRecord, find_record, read_event_details
from bridge.services.lists import MAX_PAGE_ITEMS, WrongCursor, digest_filters, parse_cursor
from bridge.services.record_search import search_records
from bridge.services.serializers import reject_json, whole_reject_json
from bridge.services.status_report import read_status
from bridge.services.trends import read_trends
from bridge.services.where_filters import make_event_test, parse_where
from bridge.store.inbound import rejects
from bridge.store.operations import log
from bridge.store.queries.filters import Filters
from bridge.web.admin.context import AdminContext, AdminRequest, Answer, RawAnswer
from bridge.web.admin.limits import READ_RATE
from bridge.web.admin.problems import AdminProblem, ParameterError

T = TypeVar("T")
#: Parameters that are no filters.
PAGE_PARAMETERS: Final = ("limit", "before")


def describe_api(_context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the version, the token's scopes and the links."""
    return {
        "version": __version__,
        "token": asked.token,
        "scopes": list_scopes(asked.scopes),
        "limits": {
            "page_items": MAX_PAGE_ITEMS,
            "requests": READ_RATE.count,
            "seconds": READ_RATE.per,
        },
        "links": {
            "openapi": "/admin/v1/openapi.json",
            "status": "/admin/v1/status",
            "events": "/admin/v1/events",
            "deliveries": "/admin/v1/deliveries",
            "rejects": "/admin/v1/rejects",
            "operations": "/admin/v1/operations",
            "causes": "/admin/v1/causes",
            "trends": "/admin/v1/trends",
            "find": "/admin/v1/find",
        },
    }


def show_status(context: AdminContext, _asked: AdminRequest) -> Answer:
    """Return the status, as `status --json`."""
    return read_status(context.settings, context.database).as_json()


def list_conditions(context: AdminContext, _asked: AdminRequest) -> Answer:
    """Return the conditions that need attention, each with the next step."""
    return {"items": read_status(context.settings, context.database).as_json()["problems"]}


def list_events(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of events with their deliveries."""
    digest, before = _place("events", asked)
    page = lists.page_events(
        context.database,
        _filters(context, asked),
        limit=asked.values["limit"],
        before=before,
        digest=digest,
    )
    return page.as_json(
        [
            redacted_views.list_event(event, deliveries, with_contents=asked.with_contents)
            for event, deliveries in page.items
        ]
    )


def list_deliveries(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of deliveries."""
    digest, before = _place("deliveries", asked)
    page = lists.page_deliveries(
        context.database,
        _filters(context, asked),
        limit=asked.values["limit"],
        before=before,
        digest=digest,
    )
    return page.as_json(
        [redacted_views.list_delivery(one, with_contents=asked.with_contents) for one in page.items]
    )


def show_event(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one event with everything that is stored of it, as `show --json`."""
    record = _find(context, asked.ids["id"])
    if record.found is None:
        raise _missing(asked.ids["id"])
    details = read_event_details(
        context.database, context.settings, record.found, with_reasons=False
    )
    return redacted_views.describe_event(details, with_contents=asked.with_contents)


def show_body(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the raw body of an event."""
    record = _find(context, asked.ids["id"])
    if record.found is None:
        raise _missing(asked.ids["id"])
    return RawAnswer(record.found.event.body, f"{record.found.event.id}.bin")


def show_delivery(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one delivery, as it is in its event."""
    record = _find(context, asked.ids["id"])
    if record.found is None or record.found.delivery_id is None:
        raise _missing(asked.ids["id"])
    details = read_event_details(
        context.database, context.settings, record.found, with_reasons=False
    )
    shape = redacted_views.describe_event(details, with_contents=asked.with_contents)
    deliveries = shape["deliveries"]
    for one in deliveries if isinstance(deliveries, list) else ():
        if isinstance(one, dict) and one["id"] == record.found.delivery_id:
            return one
    raise _missing(asked.ids["id"])


def list_rejects(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of rejects, each with the diagnosis of its failure."""
    digest, before = _place("rejects", asked)
    page = lists.page_rejects(
        context.database,
        source=asked.values["source"],
        since=asked.values["since"],
        limit=asked.values["limit"],
        before=before,
        digest=digest,
    )
    return page.as_json([_describe_reject(context, asked, one) for one in page.items])


def show_reject(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one reject with its request, as `show --json`."""
    text = asked.ids["id"]
    found = _look_up(lambda: rejects.get(context.database, text))
    return _describe_reject(context, asked, found, whole=True)


def _describe_reject(
    context: AdminContext, asked: AdminRequest, reject: Reject, *, whole: bool = False
) -> dict[str, JSON]:
    """Return the JSON of a reject. Keys that senders publish are not fetched to diagnose it."""
    config = context.config()
    source = config.sources.get(reject.source)
    if source is not None:
        settings = context.settings
        seals = bool(settings.encryption_keys)
        keyed = add_keys(source, settings.secret_key, seals=seals)
        config = replace(config, sources={**config.sources, source.name: keyed})
    findings = diagnose(reject, config) if asked.with_contents else ()
    shape = (whole_reject_json if whole else reject_json)(reject, findings)
    return redacted_views.describe_reject(shape, reject, with_contents=asked.with_contents)


def list_operations(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of operations."""
    digest, before = _place("operations", asked)
    page = lists.page_operations(
        context.database,
        since=asked.values["since"],
        unfinished=asked.values["unfinished"] == "true",
        limit=asked.values["limit"],
        before=before,
        digest=digest,
    )
    return page.as_json(
        [
            redacted_views.list_operation(one, with_contents=asked.with_contents)
            for one in page.items
        ]
    )


def show_operation(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one operation, without its items."""
    found = _find_operation(context, asked.ids["id"])
    return redacted_views.list_operation(found, with_contents=asked.with_contents)


def list_operation_items(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of an operation's items, in their order."""
    found = _find_operation(context, asked.ids["id"])
    digest, after = _place(f"items of {found.id}", asked)
    page = lists.page_items(
        context.database,
        found,
        outcome=asked.values["outcome"],
        limit=asked.values["limit"],
        after=after,
        digest=digest,
    )
    return page.as_json(
        [redacted_views.list_item(one, with_contents=asked.with_contents) for one in page.items]
    )


def list_causes(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the causes of dead deliveries, the most frequent first."""
    report = group_by_cause(context.database, _filters(context, asked))
    return {
        "items": [one.as_json() for one in report.groups],
        "read_until": iso(report.read_until),
    }


def list_trend(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the points of a trend, oldest first, as `trends --json`."""
    now = time.time()
    values = asked.values
    found = read_trends(context.database, values["name"], values["since"], now, values["step"])
    return {"step": found.step, "items": [found.as_json(one) for one in found.points]}


def find(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the records that an id, a sender's id or a text in a body names."""
    digest, before = _place("find", asked)
    sources = list(context.config().sources)
    return search_records(
        context.database,
        asked.values["q"],
        sources,
        in_bodies=asked.with_contents,
        before=before,
        digest=digest,
    ).as_json()


def _place(list_name: str, asked: AdminRequest) -> tuple[str, int | None]:
    """Return the digest of a list's filters, and where its page starts."""
    given = {name: list(one) for name, one in asked.texts.items() if name not in PAGE_PARAMETERS}
    digest = digest_filters(list_name, given)
    try:
        return digest, parse_cursor(asked.values["before"], digest)
    except WrongCursor as error:
        raise AdminProblem(
            "cursor_of_another_list", str(error), errors=[ParameterError("before", str(error))]
        ) from None


def _filters(context: AdminContext, asked: AdminRequest) -> Filters:
    values = {name: value for name, value in asked.values.items() if name not in PAGE_PARAMETERS}
    where = values.pop("where", None)
    spam = values.pop("spam", None)
    test = (
        make_event_test([parse_where(one) for one in where], context.config().sources)
        if where
        else None
    )
    return Filters(**values, where=test, spam={"true": True, "false": False}.get(spam))


def _find(context: AdminContext, text: str) -> NamedRecord:
    return _look_up(lambda: find_record(context.database, text))


def _find_operation(context: AdminContext, text: str) -> Operation:
    return _look_up(lambda: log.find(context.database, text))


def _look_up(find_one: Callable[[], T]) -> T:
    try:
        return find_one()
    except AmbiguousId as error:
        raise AdminProblem("ambiguous_id", str(error)) from None
    except NotFound as error:
        raise AdminProblem("not_found", str(error)) from None


def _missing(text: str) -> AdminProblem:
    return AdminProblem("not_found", f"there is no such record with the id {text[:100]!r}")
