"""A collector of traces on loopback: it takes OTLP over HTTP, and knows each span that it was
sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from servers import Misbehaving

PATH = "/v1/traces"


@dataclass(frozen=True)
class Seen:
    """One span, ids in hexadecimal; `kind` and `is_error` as OpenTelemetry has them. `raw`: the
    request that it came in.
    """

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    is_error: bool
    began: int
    ended: int
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    resource: dict[str, Any]


class Collector(Misbehaving):
    """Answers 200 to all that it is sent."""

    @property
    def environ(self) -> dict[str, str]:
        """What has a bridge send its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    @property
    def spans(self) -> list[Seen]:
        """All spans so far, the first begun first."""
        found = [
            span for one in list(self.received) if one.path == PATH for span in _read(one.body)
        ]
        return sorted(found, key=lambda span: span.began)

    def named(self, name: str) -> list[Seen]:
        return [span for span in self.spans if span.name == name]


def _read(body: bytes) -> list[Seen]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = []
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _values(group.resource.attributes)
        found += [
            Seen(
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                name=span.name,
                kind=span.kind,
                is_error=span.status.code == 2,
                began=span.start_time_unix_nano,
                ended=span.end_time_unix_nano,
                attributes=_values(span.attributes),
                links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                resource=resource,
            )
            for scope in group.scope_spans
            for span in scope.spans
        ]
    return found


def _values(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
