"""The OpenTelemetry exporter: OTLP over HTTP. Only this module imports OpenTelemetry."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from bridge import __version__
from bridge.monitoring.spans import Span
from bridge.monitoring.trace_ids import SpanReference, Trace
from bridge.system.logs import get_logger

log = get_logger()

SHUTDOWN_SECONDS: Final = 1.0  # for the queued spans at the end


class OtlpTracer:
    """The tracer of one process: a bounded queue, and a thread that exports it.

    Create it after the fork.
    """

    def __init__(self) -> None:
        name = OTELResourceDetector().detect().attributes.get("service.name") or "flowbridge"
        resource = Resource.create(
            {"service.name": name, "service.version": __version__, "process.pid": os.getpid()}
        )
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("flowbridge", __version__)
        self._over = threading.Event()
        self._closed = threading.Event()
        # no thread can be started while a process ends
        threading.Thread(target=self._close, name="traces", daemon=True).start()

    def header(self, trace: Trace, span_id: str) -> str:
        """Return the `traceparent` that names a span of a trace."""
        return str(SpanReference(trace.id, span_id, self._is_sampled(trace)))

    def export(self, spans: Callable[[], Iterable[Span]]) -> None:
        """Put spans into the queue. It raises nothing."""
        try:
            for span in spans():
                if self._is_sampled(span.trace):
                    self._put(span)
        except Exception as fault:
            log.error("tracing_unavailable", exc_info=fault)

    def close(self) -> None:
        """Export the queued spans, within a second."""
        self._over.set()
        self._closed.wait(SHUTDOWN_SECONDS)

    def _close(self) -> None:
        self._over.wait()
        self._provider.shutdown()
        self._closed.set()

    def _is_sampled(self, trace: Trace) -> bool:
        """Return whether a trace is recorded. The sampler decides alike in every process."""
        parent = Context() if trace.parent is None else _within(trace.parent)
        decision: Decision = self._provider.sampler.should_sample(
            parent, int(trace.id, 16), "event"
        ).decision
        return decision is Decision.RECORD_AND_SAMPLE

    def _put(self, span: Span) -> None:
        self._ids.next.trace, self._ids.next.span = int(span.trace.id, 16), int(span.id, 16)
        made = self._tracer.start_span(
            span.name,
            context=(
                Context()
                if span.parent is None
                else _within(SpanReference(span.trace.id, span.parent))
            ),
            kind=SpanKind[span.kind.name],
            attributes={**span.attributes, **({"error.type": span.error} if span.error else {})},
            links=[Link(_context(place)) for place in span.links],
            start_time=span.began,
        )
        if span.error:
            made.set_status(StatusCode.ERROR)
        made.end(span.ended)


class _Ids(IdGenerator):
    """Returns the ids that were set for the next span."""

    def __init__(self) -> None:
        self.next = threading.local()

    def generate_trace_id(self) -> int:
        return int(self.next.trace)

    def generate_span_id(self) -> int:
        return int(self.next.span)


def _within(parent: SpanReference) -> Context:
    return set_span_in_context(NonRecordingSpan(_context(parent)), Context())


def _context(place: SpanReference) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if place.sampled else TraceFlags.DEFAULT)
    return SpanContext(
        int(place.trace_id, 16), int(place.span_id, 16), is_remote=True, trace_flags=flags
    )
