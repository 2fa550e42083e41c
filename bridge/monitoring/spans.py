"""The spans of an event: its receipt, its attempts and its runs. Pure.

Attributes are those of https://opentelemetry.io/docs/specs/semconv/http/http-spans/ without secrets
and personal data: no URL of a platform, no query, no address and no header.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from bridge.core.model import Delivery, Event, RunState, Status
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.delivery.platforms.responses import idempotency_key
from bridge.ingest.ports import StoredEvent
from bridge.monitoring.trace_ids import (
    SpanReference,
    Trace,
    attempt_span_id,
    digest_id,
    event_span_id,
    run_span_id,
    trace_of,
)
from bridge.routing.model import Platform, Source

_LATEST: Final = 9_000_000_000.0  # seconds since 1970 that still fit as nanoseconds

Attributes = Mapping[str, str | int | bool]


class SpanKind(StrEnum):
    """The kind of a span: the side of a call."""

    SERVER = "server"
    CLIENT = "client"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One finished span. Times in nanoseconds since 1970; `parent`: the id of a span of its trace;
    `error`: the error type, empty for none.
    """

    trace: Trace
    id: str
    parent: str | None
    name: str
    began: int
    ended: int
    kind: SpanKind = SpanKind.INTERNAL
    attributes: Attributes = field(default_factory=dict)
    links: Sequence[SpanReference] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a receipt. Times in nanoseconds since 1970."""

    name: str
    began: int
    ended: int


def make_receipt_spans(
    kept: Sequence[tuple[Event, StoredEvent]],
    source: Source,
    stages: Sequence[Stage],
    *,
    scheme: str,
    status: int | None,
) -> Iterator[Span]:
    """Return the spans of one request: its receipt with its stages.

    In a batch each further event has a span that links to the first. A duplicate is in the trace of
    the event that it repeats. `status`: the status of the answer, None if it is not known yet.
    """
    first: Span | None = None
    for event, stored in kept:
        trace = trace_of(stored.event_id, event.headers, source)
        span = Span(
            trace=trace,
            id=event_span_id(event.id),
            parent=trace.parent.span_id if trace.parent else None,
            name=f"POST /hooks/{source.name}" if first is None else f"event of {source.name}",
            kind=SpanKind.SERVER if first is None else SpanKind.INTERNAL,
            began=stages[0].began,
            ended=stages[-1].ended,
            attributes=_of_event(event, stored)
            | (_of_request(event, scheme, status) if first is None else {}),
            links=[
                place
                for place in (trace.link, first and SpanReference(first.trace.id, first.id))
                if place
            ],
        )
        yield span
        if first is None:
            first = span
            for stage in stages:
                yield Span(
                    trace=trace,
                    id=digest_id(16, stage.name, event.id),
                    parent=span.id,
                    name=stage.name,
                    began=stage.began,
                    ended=stage.ended,
                )


def _of_request(event: Event, scheme: str, status: int | None) -> dict[str, str | int | bool]:
    route = f"/hooks/{event.source}"
    said = {} if status is None else {"http.response.status_code": status}
    return {
        "http.request.method": "POST",
        "http.route": route,
        "url.path": route,
        "url.scheme": scheme,
        **said,
    }


def _of_event(event: Event, kept: StoredEvent) -> dict[str, str | int | bool]:
    outcome = (
        "duplicate"
        if kept.duplicate
        else "spam"
        if event.spam
        else "problem"
        if event.problem
        else "accepted"
    )
    return {
        "flowbridge.source": event.source,
        "flowbridge.event.id": kept.event_id,
        **({"flowbridge.event.type": event.type} if event.type else {}),
        "flowbridge.event.size": len(event.body),
        "flowbridge.deliveries": len(kept.deliveries),
        "flowbridge.outcome": outcome,
    }


def make_attempt_span(
    trace: Trace,
    delivery: Delivery,
    number: int,
    platform: Platform | None,
    outcome: Outcome,
    status: Status | None,
    began: int,
    ended: int,
) -> Span:
    """Return the span of an attempt. `status`: that of its delivery after it, None if not stored.

    All attempts of an event, retries too, are children of its receipt.
    """
    answer = (
        {} if outcome.status_code is None else {"http.response.status_code": outcome.status_code}
    )
    return Span(
        trace=trace,
        id=attempt_span_id(delivery.id, number),
        parent=event_span_id(delivery.event_id),
        name=f"start {delivery.flow}",
        kind=SpanKind.CLIENT,
        began=began,
        ended=max(began, ended),
        attributes={
            **_of_delivery(delivery),
            **({"http.request.method": platform.method, **_server(platform)} if platform else {}),
            **({"http.request.resend_count": number - 1} if number > 1 else {}),
            **answer,
            "flowbridge.attempt": number,
            "flowbridge.outcome": outcome.kind.value,
            **({"flowbridge.status": status.value} if status else {}),
            **({"flowbridge.run.id": outcome.run_id} if outcome.run_id else {}),
        },
        error=(
            ""
            if outcome.kind is OutcomeKind.STARTED
            else str(answer.get("http.response.status_code", outcome.kind.value))
        ),
    )


def make_run_span(trace: Trace, followed: Delivery, report: RunReport, now: float) -> Span:
    """Return the span of a run that has ended, or is no longer polled: a child of its attempt."""
    began = followed.delivered_at if report.created_at is None else report.created_at
    ended = now if report.finished_at is None else report.finished_at
    state = report.state.value if report.state else "unseen"
    return Span(
        trace=trace,
        id=run_span_id(idempotency_key(followed)),
        parent=attempt_span_id(followed.id, followed.attempts + followed.throttled),
        name=f"run {followed.flow}",
        began=_nanoseconds(ended if began is None else min(began, ended)),
        ended=_nanoseconds(ended),
        attributes={
            **_of_delivery(followed),
            "flowbridge.run.id": followed.run_id or "",
            "flowbridge.run.state": state,
        },
        error="" if report.state is RunState.DONE else state,
    )


def _of_delivery(delivery: Delivery) -> dict[str, str | int | bool]:
    return {
        "flowbridge.event.id": delivery.event_id,
        "flowbridge.delivery.id": delivery.id,
        "flowbridge.route": delivery.route,
        "flowbridge.flow": delivery.flow,
        "flowbridge.platform": delivery.platform,
    }


def _server(platform: Platform) -> dict[str, str | int]:
    url = urlsplit(platform.base_url)
    return {
        "server.address": url.hostname or "",
        "server.port": url.port or (443 if url.scheme == "https" else 80),
    }


def _nanoseconds(seconds: float) -> int:
    return int(min(max(seconds, 0.0), _LATEST) * 1e9)
