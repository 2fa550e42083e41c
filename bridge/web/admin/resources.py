"""The answers of the admin API that read."""

from __future__ import annotations

import time
from collections.abc import Callable

from bridge import __version__
from bridge.core.audit import AuditAction
from bridge.core.json_text import write_json
from bridge.core.model import JSON, Reject
from bridge.core.scopes import list_scopes
from bridge.core.times import iso
from bridge.providers.signatures.key_source import NO_KEYS
from bridge.services import audit, lists
from bridge.services.dead_causes import group_by_cause
from bridge.services.delivery_rows import DeliveryScreens
from bridge.services.event_details import EventDetails, read_event_details
from bridge.services.event_screen import describe_screen
from bridge.services.lists import (
    MAX_PAGE_ITEMS,
)
from bridge.services.record_search import FoundRecord, search_records
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.event_records import EVENT
from bridge.services.rejects import DiagnosedReject, RejectReview, complete_config
from bridge.services.status_report import StatusReport, read_status
from bridge.services.trends import TrendPoints, read_trends
from bridge.store.blobs import BlobStore
from bridge.store.inbound import rejects
from bridge.store.queries.event_lookup import EventHistory
from bridge.web.admin.body_values import read_value
from bridge.web.admin.context import AdminContext, AdminRequest, Answer, RawAnswer
from bridge.web.admin.limits import READ_RATE
from bridge.web.admin.parameters import LABELS, PLACE
from bridge.web.admin.problems import AdminProblem
from bridge.web.admin.request_selection import (
    check_known_names,
    event_filters,
    find_event,
    look_up,
    missing_record,
    page_request,
)


def describe_api(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the version, the public URL, the token's scopes and the links."""
    return {
        "version": __version__,
        "public_url": context.settings.public_url or None,
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
            "types": "/admin/v1/types",
            "find": "/admin/v1/find",
            "alerts": "/admin/v1/alerts",
            "sources": "/admin/v1/sources",
            "routes": "/admin/v1/routes",
            "platforms": "/admin/v1/platforms",
            "flows": "/admin/v1/flows",
            "runs": "/admin/v1/runs",
            "configs": "/admin/v1/configs",
            "tail": "/admin/v1/tail",
            "audit": "/admin/v1/audit",
        },
    }


def show_status(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the status, as `status --json`."""
    return _read_status(context, asked).as_json()


def list_conditions(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the conditions that need attention, each with the next step."""
    return {"items": [*_read_status(context, asked).problems_as_json()]}


def _read_status(context: AdminContext, asked: AdminRequest) -> StatusReport:
    now = context.read_overview(with_contents=asked.with_contents)
    return read_status(context.settings, context.database, now)


def list_events(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of events with their deliveries."""
    filters = event_filters(context, asked).without_own
    page = lists.page_events(context.database, filters, page_request(context, "events", asked))
    return page.as_json(
        lambda one: EVENT.write(one[0], deliveries=one[1], with_contents=asked.with_contents)
    )


def list_deliveries(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of deliveries."""
    page = lists.page_deliveries(
        context.database, event_filters(context, asked), page_request(context, "deliveries", asked)
    )
    shape = page.as_json(lambda one: DELIVERY.write(one, with_contents=asked.with_contents))
    if asked.values["screen"]:
        screens = DeliveryScreens(context.database)
        shape["screen"] = {one.id: screens.describe(one) for one in page.items}
    return shape


def show_event(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one event with everything that is stored of it, as `show --json`."""
    with_screen = bool(asked.values["screen"])
    details = _read_details(context, find_event(context, asked), with_reasons=with_screen)
    shape = details.as_json(with_contents=asked.with_contents)
    if with_screen:
        shape["screen"] = describe_screen(details, with_contents=asked.with_contents)
    return shape


def show_body(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the raw body of an event, or a value of it, and record that it is downloaded."""
    event = find_event(context, asked).event
    pointer = asked.values.get(PLACE.name)
    if pointer is None:
        answer = RawAnswer(event.body, f"{event.id}.bin")
    else:
        value = read_value(event, context.config().sources, pointer)
        answer = RawAnswer(write_json(value), f"{event.id}.json", "application/json")
    audit.record(context.database, AuditAction.DOWNLOADED, asked.by, f"body of {event.id}")
    return answer


def show_file(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a file of an event, whose bytes are on this machine, and record the download."""
    event = find_event(context, asked).event
    sha256 = asked.ids["sha256"]
    if sha256 not in {one.sha256 for one in event.files}:
        raise AdminProblem("not_found", f"{event.id} has no file with that SHA-256")
    try:
        content = BlobStore.of(context.settings).read(sha256)
    except OSError:
        raise AdminProblem("not_found", "its bytes are not in this data folder") from None
    subject = f"file {sha256} of {event.id}"
    audit.record(context.database, AuditAction.DOWNLOADED, asked.by, subject)
    return RawAnswer(content, f"{sha256}.bin")


def show_delivery(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one delivery, as it is in its event."""
    found = find_event(context, asked)
    if found.delivery_id is None:
        raise missing_record(asked)
    shape = _read_details(context, found).as_json(with_contents=asked.with_contents)
    deliveries = shape["deliveries"]
    for one in deliveries if isinstance(deliveries, list) else ():
        if isinstance(one, dict) and one["id"] == found.delivery_id:
            return one
    raise missing_record(asked)


def list_rejects(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return a page of rejects, each with the diagnosis of its failure."""
    check_known_names(context, asked)
    page = lists.page_rejects(
        context.database,
        page_request(context, "rejects", asked),
        source=asked.values["source"],
        since=asked.values["since"],
    )
    return page.as_json(reject_view(context, asked))


def show_reject(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one reject with its request, as `show --json`."""
    found = look_up(lambda: rejects.get(context.database, asked.ids["id"]))
    return reject_view(context, asked, whole=True)(found)


def reject_view(
    context: AdminContext, asked: AdminRequest, *, whole: bool = False
) -> Callable[[Reject], dict[str, JSON]]:
    """Return the function that describes rejects. It fetches no keys that senders publish."""
    config = complete_config(context.settings, context.database, context.config())
    review = RejectReview(config, NO_KEYS)

    def describe(reject: Reject) -> dict[str, JSON]:
        found = review.diagnose(reject) if asked.with_contents else DiagnosedReject(reject, ())
        return found.as_json(whole=whole, with_contents=asked.with_contents)

    return describe


def list_causes(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the causes of dead deliveries, the most frequent first."""
    report = group_by_cause(context.database, event_filters(context, asked))
    return {
        "items": [one.as_json() for one in report.groups],
        "read_until": iso(report.read_until),
    }


def list_trend(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the points of a trend, oldest first, as `trends --json`."""
    found = read_trend(context, asked)
    if not found.has_numbers:
        check_known_names(context, asked)
    return {"step": found.step, "items": [found.as_json(one) for one in found.points]}


def read_trend(context: AdminContext, asked: AdminRequest) -> TrendPoints:
    """Return the points of a trend; none has numbers if the source or route is unknown."""
    values = asked.values
    only = {name: values[name] for name in LABELS if values[name] is not None}
    return read_trends(
        context.database, values["name"], values["since"], time.time(), values["step"], only
    )


def find(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the records that an id, a sender's id or a text in a body names."""
    page = search_records(
        context.database,
        asked.values["q"],
        list(context.config().sources),
        page_request(context, "find", asked),
        in_bodies=asked.with_contents,
    )
    return page.as_json(FoundRecord.as_json)


def _read_details(
    context: AdminContext, found: EventHistory, *, with_reasons: bool = False
) -> EventDetails:
    return read_event_details(context.database, context.settings, found, with_reasons=with_reasons)
