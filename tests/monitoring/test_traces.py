"""Which trace an event is of, what of a header is believed, and what spans say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import NOW, make_delivery, make_event
from trace_ids import GOOD, SPAN, TRACE

from bridge.config.loader import load
from bridge.core.model import Event, RunState, Status
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.delivery.platforms.responses import idempotency_key
from bridge.monitoring.spans import (
    SpanKind,
    Stage,
    make_attempt_span,
    make_receipt_spans,
    make_run_span,
)
from bridge.monitoring.trace_ids import (
    SpanReference,
    Trace,
    attempt_span_id,
    event_span_id,
    read_traceparent,
    run_span_id,
    trace_of,
)
from bridge.routing.model import Config, Platform
from bridge.routing.planner import event_id_of
from bridge.store.inbound.arrivals import AddedEvent

ROUTES = """
version: 1
sources:
  github: {provider: github, secret: "It's a Secret to Everybody"}
  bearer: {provider: token, secret: a-long-random-token-of-ours}
  open: {provider: hmac, insecure: true, verify: {header: X-Sig}}
  contact: {provider: form}
routes: []
"""
STAGES = [Stage("verify", 10, 20), Stage("plan", 20, 30), Stage("keep", 30, 50)]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("traces") / "routes.yaml"
    path.write_text(ROUTES)
    return load(path, {})


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (GOOD, SpanReference(TRACE, SPAN)),
        (f"00-{TRACE}-{SPAN}-00", SpanReference(TRACE, SPAN, sampled=False)),
        (f"00-{TRACE}-{SPAN}-03", SpanReference(TRACE, SPAN)),
        (f"00-{TRACE}-{SPAN}-fe", SpanReference(TRACE, SPAN, sampled=False)),
        (f"cc-{TRACE}-{SPAN}-01", SpanReference(TRACE, SPAN)),  # a later version
        (f"cc-{TRACE}-{SPAN}-01-what-it-adds", SpanReference(TRACE, SPAN)),
        (f"00-{TRACE}-{SPAN}-01-what-it-adds", None),
        (f"cc-{TRACE}-{SPAN}-01.what", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE[1:]}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f"00-{TRACE}-{SPAN}-0g", None),
        (f" {GOOD}", None),
        (f"{GOOD}\n", None),
        (f"{GOOD},{GOOD}", None),  # sent twice
        (GOOD.replace("4", "٤"), None),
        ("***", None),
        ("", None),
    ],
)
def test_a_traceparent_is_exactly_one_or_none(header: str, found: SpanReference | None) -> None:
    assert read_traceparent(header) == found


def test_a_traceparent_is_written_as_it_was_read() -> None:
    assert (str(read_traceparent(GOOD)), str(SpanReference(TRACE, SPAN, sampled=False))) == (
        GOOD,
        f"00-{TRACE}-{SPAN}-00",
    )


@pytest.mark.parametrize("source", ["github", "bearer"])
def test_who_proves_himself_has_his_trace_gone_on_with(config: Config, source: str) -> None:
    assert trace_of("evt_1", {"traceparent": GOOD}, config.sources[source]) == Trace(
        id=TRACE, parent=SpanReference(TRACE, SPAN)
    )


@pytest.mark.parametrize("source", ["open", "contact", "gone"])
def test_anyone_elses_is_only_pointed_to(config: Config, source: str) -> None:
    trace = trace_of("evt_1", {"traceparent": GOOD}, config.sources.get(source))
    assert (trace.parent, trace.link) == (None, SpanReference(TRACE, SPAN))
    assert trace.id != TRACE
    assert replace(trace, link=None) == trace_of("evt_1", {}, None), (
        "it follows from the event's id"
    )


def test_the_ids_are_ones_that_others_take() -> None:
    event = make_event()
    trace = trace_of(event.id, {}, None)
    delivery = make_delivery(event)
    for span_id in (
        event_span_id(event.id),
        attempt_span_id(delivery.id, 1),
        run_span_id(idempotency_key(delivery)),
    ):
        assert read_traceparent(str(SpanReference(trace.id, span_id))) == SpanReference(
            trace.id, span_id
        )
    assert len({attempt_span_id(delivery.id, number) for number in range(20)}) == 20


def test_a_delivery_tells_of_which_event_it_is() -> None:
    event = make_event()
    assert event_id_of(make_delivery(event, "a route with a~strange name").id) == event.id
    for other in ("", "dlv_", "evt_" + event.id[4:], make_delivery(event).id + "~2", "my own key"):
        assert event_id_of(other) is None


def arrived(config: Config, *events: Event, duplicate: str = "") -> list[object]:
    kept = [
        (event, AddedEvent(duplicate or event.id, (), duplicate=bool(duplicate)))
        for event in events
    ]
    return list(
        make_receipt_spans(kept, config.sources["github"], STAGES, scheme="https", status=202)
    )


def test_a_request_has_a_span_with_its_stages_below(config: Config) -> None:
    event = make_event(
        body=b"personal",
        headers={"traceparent": GOOD, "authorization": "secret"},
        query_string="token=secret",
    )
    root, *stages = arrived(config, event)
    assert (root.name, root.kind, root.id, root.parent) == (
        "POST /hooks/github",
        SpanKind.SERVER,
        event_span_id(event.id),
        SPAN,
    )
    assert [(one.name, one.parent, one.began, one.ended) for one in stages] == [
        (s.name, root.id, s.began, s.ended) for s in STAGES
    ]
    assert {one.trace.id for one in (root, *stages)} == {TRACE}
    assert len({one.id for one in (root, *stages)}) == 4
    assert root.attributes == {
        "http.request.method": "POST",
        "http.route": "/hooks/github",
        "url.path": "/hooks/github",
        "url.scheme": "https",
        "http.response.status_code": 202,
        "flowbridge.source": "github",
        "flowbridge.event.id": event.id,
        "flowbridge.event.type": "issues",
        "flowbridge.event.size": 8,
        "flowbridge.deliveries": 0,
        "flowbridge.outcome": "accepted",
    }


def test_each_event_of_a_batch_has_a_trace_and_points_to_the_first(config: Config) -> None:
    first, *rest = (make_event() for _ in range(3))
    spans = arrived(config, first, *rest)
    roots = [span for span in spans if span.parent is None]
    assert [span.trace.id for span in roots] == [
        trace_of(event.id, {}, None).id for event in (first, *rest)
    ]
    assert [span.kind for span in roots] == [SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.INTERNAL]
    assert [span.links for span in roots[1:]] == [
        [SpanReference(roots[0].trace.id, roots[0].id)]
    ] * 2


def test_a_duplicate_is_in_the_trace_of_the_event_that_it_repeats(config: Config) -> None:
    known = make_event()
    again = make_event()
    root = arrived(config, again, duplicate=known.id)[0]
    assert (root.trace, root.id) == (trace_of(known.id, {}, None), event_span_id(again.id))
    assert root.attributes["flowbridge.outcome"] == "duplicate"


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        (Outcome(kind=OutcomeKind.STARTED, run_id="r1", status_code=200), Status.DELIVERED, ""),
        (
            Outcome(kind=OutcomeKind.THROTTLED, detail="too many", status_code=429),
            Status.QUEUED,
            "429",
        ),
        (Outcome(kind=OutcomeKind.UNKNOWN, detail="personal"), None, "unknown"),
    ],
)
def test_an_attempt_says_what_came_of_it_and_no_more(
    outcome: Outcome, status: Status | None, error: str
) -> None:
    event = make_event()
    delivery = make_delivery(event, inputs={"text": "personal"})
    platform = Platform(
        name="local",
        type="http",
        base_url="https://user:secret@example.com/secret?key=secret",
        method="PUT",
    )
    span = make_attempt_span(
        trace_of(event.id, {}, None), delivery, 2, platform, outcome, status, 1, 5
    )
    assert (span.id, span.parent, span.kind, span.error) == (
        attempt_span_id(delivery.id, 2),
        event_span_id(event.id),
        SpanKind.CLIENT,
        error,
    )
    attributes = dict(span.attributes)
    assert "secret" not in str(attributes)
    assert "personal" not in str(attributes)
    assert (
        attributes["http.request.method"],
        attributes["server.address"],
        attributes["server.port"],
    ) == ("PUT", "example.com", 443)
    assert (attributes["http.request.resend_count"], attributes["flowbridge.outcome"]) == (
        1,
        outcome.kind.value,
    )
    assert attributes.get("flowbridge.status") == status


@pytest.mark.parametrize(
    ("report", "began", "ended", "error"),
    [
        (
            RunReport(state=RunState.DONE, created_at=NOW + 1, finished_at=NOW + 3),
            NOW + 1,
            NOW + 3,
            "",
        ),
        (RunReport(state=RunState.FAILED), NOW, NOW + 9, "failed"),
        (RunReport(state=None, gone=True), NOW, NOW + 9, "unseen"),
        # clocks differ
        (RunReport(state=RunState.DONE, created_at=NOW + 20), NOW + 9, NOW + 9, ""),
    ],
)
def test_the_span_of_a_run_is_below_the_attempt_that_started_it(
    report: RunReport, began: float, ended: float, error: str
) -> None:
    event = make_event()
    followed = make_delivery(
        event, status=Status.DELIVERED, attempts=2, throttled=1, run_id="r1", delivered_at=NOW
    )
    span = make_run_span(trace_of(event.id, {}, None), followed, report, NOW + 9)
    assert (span.id, span.parent) == (run_span_id(followed.id), attempt_span_id(followed.id, 3))
    assert (span.began / 1e9, span.ended / 1e9, span.error) == (
        pytest.approx(began),
        pytest.approx(ended),
        error,
    )
