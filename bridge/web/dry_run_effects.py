"""The effects of a dry run: verify and plan a request, and store nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.core.http_messages import Request
from bridge.core.model import JSON
from bridge.ingest.effects import OfflineEffects, PreparedRequest
from bridge.ingest.ports import StoredEvent
from bridge.ingest.receive import Received
from bridge.monitoring.counters import Counts
from bridge.providers.model import Reply
from bridge.routing.model import Source
from bridge.store.inbound.arrivals import AddedEvent
from bridge.system.ids import event_id
from bridge.system.logs import get_logger
from bridge.web import dry_run
from bridge.web.learned_secrets import SecretEnrolment

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunEffects(OfflineEffects):
    """Store nothing, count nothing, notify nothing, confirm nothing.

    Keys are fetched, and learned secrets are read: without them nothing could be verified. `said`
    gets a description of a request that fails verification, for its sender.
    """

    new_id: Callable[[float], str] = event_id
    learning: SecretEnrolment
    said: dict[str, JSON] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    log: Any = field(default_factory=lambda: log.bind(dry=True))

    @property
    def submission(self) -> None:
        """Return None: forms have no dry run."""

    def store(self, prepared: PreparedRequest) -> Sequence[StoredEvent]:
        """Return what would be stored of new events."""
        return [AddedEvent(event.id, tuple(deliveries)) for event, deliveries in prepared.arrivals]

    def wait_for_rate(self, _source: Source, _client: str | None, _now: float) -> float:
        """Return 0, and count nothing."""
        return 0.0

    def learn_secret(self, request: Request, source: Source, now: float) -> Reply | Source:
        """Return the source with what it learned before, and learn nothing."""
        return replace(self.learning, enrols=False).apply(request, source, now)

    def record_reject(
        self,
        request: Request,
        _source: Source,
        _reason: str,
        _now: float,
        _others: Iterable[Source],
    ) -> None:
        """Describe how the request arrived, and store nothing."""
        self.said["arrived"] = dry_run.describe_request(request)

    def log_refusal(
        self, _level: int, event: str, source: str, _code: str, /, **fields: object
    ) -> None:
        """Log a refused request at DEBUG: it was asked for."""
        self.log.debug(event, source=source, **fields)

    def count_refusal(self, _source: Source, _code: str, _now: float) -> None:
        """Count nothing."""

    def wake_workers(self) -> None:
        """Do nothing."""

    def export_trace(self, received: Received, source: Source) -> None:
        """Do nothing."""
