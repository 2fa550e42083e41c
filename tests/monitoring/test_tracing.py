"""Whole bridges and a collector of traces: one trace from a sender's request to the end of the run,
whoever dies on the way.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from servers import Misbehaving, respond, slow_headers
from serving import Bridge, free_port, until

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from collector import Collector, Seen
from records import make_delivery, make_event
from trace_ids import GOOD, SPAN, TRACE

from bridge.core.http_messages import Answer, Call
from bridge.core.model import Delivery, RunState
from bridge.monitoring.spans import Span
from bridge.monitoring.trace_ids import (
    SpanReference,
    Trace,
    attempt_span_id,
    event_span_id,
    run_span_id,
    trace_of,
)
from bridge.monitoring.tracing.exporter import is_wanted
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.system.boot_clock import Deadline

pytestmark = pytest.mark.usefixtures("new_processes")

SERVER = 2
CLIENT = 3
FLOWS = """
import os

from bridge.flows import flow

@flow
def whoami():
    return {name: value for name, value in os.environ.items() if name.startswith(("TRACE", "OTEL"))}
"""
LOCAL = """
version: 1
platforms:
  local: {type: local, flows: flows.py}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
routes:
  - {name: everything, on: github, inputs: {}, flow: local/whoami}
"""
HTTP = """
version: 1
platforms:
  there: {type: http, url: "%s/start"}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  contact: {provider: form, addresses: none}
routes:
  - {name: everything, on: github, inputs: {body: "${body}"}, flow: there/it, retry: {attempts: 3, first: 1s, max: 1s}}
  - {name: contact, on: contact, flow: there/it}
"""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def platform() -> Iterator[Misbehaving]:
    with Misbehaving() as platform:
        yield platform


@pytest.fixture(scope="module")
def bridge(
    tmp_path_factory: pytest.TempPathFactory,
    collector: Collector,
    platform: Misbehaving,
    new_processes: None,
) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("tracing")
    with Bridge(folder, routes=HTTP % platform.url, environ=collector.environ) as bridge:
        yield bridge


def posted(bridge: Bridge, body: bytes = b"{}", **headers: str) -> str:
    """Post an event and return its id."""
    answer = bridge.event(body, **headers)
    assert answer.status == 202, answer
    return str(answer.json["event_id"])


def of_event(collector: Collector, event_id: str, count: int) -> list[Seen]:
    """Wait for so many spans of an event's trace."""
    trace = until(
        lambda: next(
            (
                one.trace
                for one in collector.spans
                if one.attributes.get("flowbridge.event.id") == event_id
            ),
            None,
        )
    )
    return until(
        lambda: (
            (found := [one for one in collector.spans if one.trace == trace])[count - 1 :] and found
        ),
        what=f"{count} spans",
    )


def test_one_trace_from_the_request_to_the_end_of_the_run(
    tmp_path: Path, collector: Collector
) -> None:
    (tmp_path / "flows.py").write_text(FLOWS)
    keys = {
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=topsecret",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    }
    with Bridge(tmp_path, routes=LOCAL, environ=collector.environ | keys) as bridge:
        event_id = posted(bridge)
        delivery = bridge.wait_for(event_id, lambda one: one.run_state is RunState.DONE)
        spans = {one.name: one for one in of_event(collector, event_id, 6)}
        assert bridge.stop() == 0
    receipt = spans["POST /hooks/github"]
    start = spans["start local/whoami"]
    run = spans["run local/whoami"]
    assert {one.trace for one in spans.values()} == {trace_of(event_id, {}, None).id}
    assert [spans[name].parent for name in ("verify", "plan", "keep")] == [receipt.id] * 3
    assert (receipt.parent, start.parent, run.parent) == ("", receipt.id, start.id)
    assert (receipt.kind, start.kind, receipt.is_error, start.is_error, run.is_error) == (
        SERVER,
        CLIENT,
        False,
        False,
        False,
    )
    assert (
        receipt.began
        <= spans["verify"].ended
        <= spans["plan"].ended
        <= spans["keep"].ended
        <= receipt.ended
    )
    assert (
        start.attributes["flowbridge.delivery.id"]
        == run.attributes["flowbridge.delivery.id"]
        == delivery.id
    )
    assert (run.attributes["flowbridge.run.id"], run.attributes["flowbridge.run.state"]) == (
        delivery.run_id,
        "done",
    )
    assert receipt.resource["process.pid"] != start.resource["process.pid"], "two processes"
    assert (receipt.resource["service.name"], receipt.resource["deployment.environment.name"]) == (
        "flowbridge",
        "test",
    )
    assert delivery.outputs["TRACEPARENT"] == str(SpanReference(run.trace, run.id)), (
        "the flow can go on with it"
    )
    assert run.id == run_span_id(delivery.id)
    assert "topsecret" not in str(delivery.outputs)
    assert collector.received[0].headers["api-key"] == "topsecret"
    assert "topsecret" not in bridge.stderr


def test_a_senders_trace_goes_on_at_the_platform(
    bridge: Bridge, collector: Collector, platform: Misbehaving
) -> None:
    event_id = posted(bridge, traceparent=GOOD, tracestate="vendor=x", baggage="who=me")
    spans = {one.name: one for one in of_event(collector, event_id, 5)}
    assert {one.trace for one in spans.values()} == {TRACE}
    assert spans["POST /hooks/github"].parent == SPAN
    start = spans["start there/it"]
    [call] = [
        one
        for one in platform.received
        if one.headers["idempotency-key"] == start.attributes["flowbridge.delivery.id"]
    ]
    assert call.headers["traceparent"] == f"00-{TRACE}-{start.id}-01"
    assert not {"tracestate", "baggage"} & call.headers.keys()


def test_a_trace_that_is_not_recorded_is_named_and_not_exported(
    bridge: Bridge, collector: Collector, platform: Misbehaving
) -> None:
    other = "5" * 32
    event_id = posted(bridge, traceparent=f"00-{other}-{SPAN}-00")
    delivery = bridge.wait_for(event_id, lambda one: one.status == "delivered")
    of_event(collector, posted(bridge), 5)
    assert [one for one in collector.spans if one.trace == other] == []
    [call] = [one for one in platform.received if one.headers["idempotency-key"] == delivery.id]
    assert call.headers["traceparent"] == f"00-{other}-{attempt_span_id(delivery.id, 1)}-00"


def test_what_is_no_traceparent_is_ignored(bridge: Bridge, collector: Collector) -> None:
    event_id = posted(bridge, traceparent=f"00-{'0' * 32}-{SPAN}-01")
    [receipt] = [
        one for one in of_event(collector, event_id, 5) if one.name == "POST /hooks/github"
    ]
    assert (receipt.trace, receipt.parent, receipt.links) == (
        trace_of(event_id, {}, None).id,
        "",
        [],
    )


def test_a_forms_trace_is_its_own_and_points_to_the_browsers(
    bridge: Bridge, collector: Collector
) -> None:
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "traceparent": GOOD,
    }
    answer = bridge.post("/hooks/contact", urlencode({"name": "Ada Lovelace"}).encode(), headers)
    spans = {one.name: one for one in of_event(collector, answer.json["event_id"], 5)}
    receipt = spans["POST /hooks/contact"]
    assert (receipt.trace != TRACE, receipt.parent, receipt.links) == (True, "", [(TRACE, SPAN)])
    assert {"verify", "plan", "keep", "start there/it"} <= spans.keys()
    assert b"Lovelace" not in b"".join(one.body for one in collector.received)


def test_what_is_refused_has_no_trace(bridge: Bridge, collector: Collector) -> None:
    before = {one.trace for one in collector.spans}
    assert (
        bridge.post(
            "/hooks/github",
            b"{}",
            {"X-GitHub-Event": "issues", "traceparent": f"00-{'6' * 32}-{SPAN}-01"},
        ).status
        == 401
    )
    event_id = posted(bridge)
    of_event(collector, event_id, 5)
    assert {one.trace for one in collector.spans} - before == {trace_of(event_id, {}, None).id}


def test_retries_are_beside_each_other(
    bridge: Bridge, collector: Collector, platform: Misbehaving
) -> None:
    platform.script("/start", respond(503), respond(200))
    event_id = posted(bridge)
    spans = of_event(collector, event_id, 6)
    first, second = [one for one in spans if one.name == "start there/it"]
    assert first.parent == second.parent == event_span_id(event_id)
    assert (
        first.is_error,
        first.attributes["http.response.status_code"],
        first.attributes["flowbridge.status"],
    ) == (True, 503, "queued")
    assert (second.is_error, second.attributes["http.request.resend_count"]) == (False, 1)


def test_a_call_that_is_cut_by_kill_9_is_seen_and_the_trace_goes_on(
    tmp_path: Path, collector: Collector, platform: Misbehaving
) -> None:
    platform.script("/start", slow_headers(60.0), respond(200))
    timings = {"lease_seconds": 5.0, "heartbeat_seconds": 0.2}
    with Bridge(
        tmp_path, routes=HTTP % platform.url, environ=collector.environ, timings=timings
    ) as bridge:
        calls = len(platform.received)
        event_id = posted(bridge, traceparent=f"00-{'7' * 32}-{SPAN}-01")
        of_event(collector, event_id, 4)
        until(lambda: len(platform.received) > calls, what="the call")
        bridge.kill()
        bridge.start()
        delivery = bridge.wait_for(event_id, lambda one: one.status == "delivered")
        spans = of_event(collector, event_id, 6)
    lost, again = [one for one in spans if one.name == "start there/it"]
    assert {one.trace for one in spans} == {"7" * 32}
    assert (lost.id, again.id) == (attempt_span_id(delivery.id, 1), attempt_span_id(delivery.id, 2))
    assert (lost.is_error, lost.attributes["flowbridge.outcome"], again.is_error) == (
        True,
        "unknown",
        False,
    )
    assert [one.headers["traceparent"].split("-")[2] for one in platform.received[calls:]] == [
        lost.id,
        again.id,
    ]


@pytest.mark.parametrize(
    "reply", [slow_headers(60.0), respond(401, b"no"), None], ids=["silent", "refuses", "away"]
)
def test_a_collector_that_fails_fails_nothing_else(tmp_path: Path, reply: object) -> None:
    with Misbehaving() as broken:
        url = f"http://127.0.0.1:{free_port()}/topsecret" if reply is None else broken.url
        broken.script("/v1/traces", reply or respond())
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_SCHEDULE_DELAY": "20",
            "OTEL_EXPORTER_OTLP_HEADERS": "key=topsecret",
        }
        with Bridge(tmp_path, environ=environ) as bridge:
            event_id = posted(bridge)
            bridge.wait_for(event_id, lambda one: one.run_state is RunState.DONE)
            if broken.received:
                assert broken.received[0].path == "/v1/traces"
            assert bridge.stop() == 0, "in time, although spans are left"
            assert "topsecret" not in bridge.stderr
            assert "Traceback" not in bridge.stderr


def test_celery_tasks_have_the_same_spans(database: Database) -> None:
    from worker_bench import configured, gumloop

    from bridge.store.queue import claims
    from bridge.worker.celery.tasks import TaskRunner
    from bridge.worker.claim_policy import find_allowed
    from bridge.worker.tracing import make_observer

    class Told:
        """A tracer that keeps what it is given."""

        def __init__(self) -> None:
            self.spans: list[Span] = []

        def header(self, trace: Trace, span_id: str) -> str:
            return str(SpanReference(trace.id, span_id))

        def export(self, spans: object) -> None:
            self.spans += spans()  # type: ignore[operator]

        def close(self) -> None: ...

    tracer = Told()
    sent = []
    event = make_event(headers={"traceparent": GOOD})
    delivery: Delivery = make_delivery(event, platform="gumloop")
    events.add(database, event, [delivery], lambda *_: [])
    config = configured(gumloop(url="http://127.0.0.1:9"))

    def send(call: Call, _deadline: Deadline) -> Answer:
        sent.append(call)
        return Answer(status=200, body=b'{"run_id": "r1"}')

    calls = TaskRunner(
        lambda: config, database, send, 60.0, traced=make_observer(tracer, lambda: config, database)
    )
    try:
        allowed = find_allowed(config)
        now = event.received_at + 1
        assert database.write(
            lambda c: claims.claim(c, allowed, limit=1, now=now, lease="l", intents=False)
        )
        assert calls.make_call(delivery.id, "l")
    finally:
        calls.close()
    [span] = tracer.spans
    assert (span.id, span.trace.link, span.error) == (
        attempt_span_id(delivery.id, 1),
        SpanReference(TRACE, SPAN),
        "",
    )
    assert sent[0].headers["traceparent"] == f"00-{span.trace.id}-{span.id}-01"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
        ({"OTEL_SDK_DISABLED": "True", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, False),
    ],
)
def test_the_environment_asks_for_traces(environ: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environ) is wanted


def alone(code: str) -> str:
    """Run Python of its own and return what it logged and printed."""
    environ = {"PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=environ
    )
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def test_nothing_is_imported_where_nothing_is_traced() -> None:
    tracing = (
        "from bridge.monitoring.tracing.exporter import *; import_exporter({});"
        " start_tracer({}); print(current_tracer(),"
        " 'opentelemetry' in sys.modules)"
    )
    assert alone(f"import sys, bridge.runtime.services; {tracing}") == "None False\n"


@pytest.mark.parametrize(
    ("spoil", "environ", "said"),
    [
        ("sys.modules['opentelemetry'] = None", {}, "flowbridge[otel]"),
        ("", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        ("", {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1000000"}, "ValueError"),
    ],
    ids=["without the extra", "another protocol", "a value that cannot be"],
)
def test_what_cannot_be_exported_is_said_and_nothing_fails(
    spoil: str, environ: dict[str, str], said: str
) -> None:
    given = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", **environ}
    out = alone(
        f"import sys; {spoil or 'pass'}; from bridge.monitoring.tracing.exporter import *; "
        f"import_exporter({given}); start_tracer({given}); print(current_tracer())"
    )
    assert said in out
    assert out.endswith("None\n")
