"""The effects of a request under `/hooks/`: store, count, log, notify and trace."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bridge.core.http_messages import Request
from bridge.core.model import Body
from bridge.ingest.effects import NOT_CONFIRMED, Effects, PreparedRequest
from bridge.ingest.forms.parser import Sent
from bridge.ingest.forms.spam.check import CheckedSubmission, check_submission
from bridge.ingest.ports import StoredEvent
from bridge.ingest.receive import Received
from bridge.monitoring import spans
from bridge.monitoring.counters import COUNTS, Counts
from bridge.monitoring.metrics import FORM_REFUSALS
from bridge.monitoring.spans import Stage
from bridge.monitoring.tracing.exporter import Tracer
from bridge.providers.model import Reply
from bridge.providers.signatures.key_source import DocumentRequest, KeySource
from bridge.routing.form import Form
from bridge.routing.model import Source
from bridge.system.ids import event_id
from bridge.system.logs import get_logger
from bridge.web.receiving.hook_messages import RequestHead
from bridge.web.receiving.process_resources import ProcessResources
from bridge.web.receiving.rate_limiter import wait_for_rate


@dataclass(slots=True)
class StageTimes:
    """The times of the stages, in nanoseconds since 1970; 0 for one that was not reached."""

    began: int = field(default_factory=time.time_ns)
    verified: int = 0
    planned: int = 0
    stored: int = 0

    def stages(self) -> list[Stage]:
        """Return the stages of a request that has ended; a duplicate is not stored."""
        now = time.time_ns()
        verified = self.verified or now
        planned = self.planned or now
        return [
            Stage("verify", self.began, verified),
            Stage("plan", verified, planned),
            Stage("keep", planned, self.stored or now),
        ]


log = get_logger()


class HookEffects(Effects, Protocol):
    """The effects of a request beyond those that preparing it needs. By default they do nothing."""

    counts: Counts
    log: Any

    @property
    def submission(self) -> Sent | None:
        """Return the submission that `note_submission` recorded."""
        return None

    def store(self, prepared: PreparedRequest) -> Sequence[StoredEvent]:
        """Store the events of a request in one transaction, and return once it is on disk.

        Raises `Refused` or `StoreError`; then none of them is stored.
        """
        raise NotImplementedError

    def wait_for_rate(self, source: Source, client: str | None, now: float) -> float:
        """Count a request and return 0, or the seconds to wait where its source has too many."""
        return 0.0

    def learn_secret(self, request: Request, source: Source, now: float) -> Reply | Source:
        """Store the secret that a request teaches and return its answer.

        For any other request return the source, with the secret that it learned before.
        """
        return source

    def record_reject(
        self,
        request: Request,
        source: Source,
        reason: str,
        now: float,
        others: Iterable[Source],
    ) -> str | None:
        """Store a copy of a request that failed verification, and return its id.

        None where no copy is stored. `others`: all sources there are.
        """
        return None

    def log_refusal(
        self, level: int, event: str, source: str, code: str, /, **fields: object
    ) -> None:
        """Log a refused request, at most some of each code of a source."""
        return

    def count_refusal(self, source: Source, code: str, now: float) -> None:
        """Count a submission that a form refused."""
        return

    def wake_workers(self) -> None:
        """Wake the workers, since a delivery is due."""
        return

    def export_trace(self, received: Received, source: Source) -> None:
        """Export the spans of a request that is received."""
        return


@dataclass(frozen=True, kw_only=True)
class ReceiverEffects(HookEffects):
    """Do everything for the request with this `head`."""

    resources: ProcessResources
    head: RequestHead = field(repr=False)
    _submissions: list[Sent] = field(default_factory=list, init=False, repr=False)

    counts = COUNTS
    log = log

    @property
    def submission(self) -> Sent | None:
        """Return the submission that `note_submission` recorded."""
        return self._submissions[-1] if self._submissions else None

    @property
    def keys(self) -> KeySource:
        """Return the keys that senders publish."""
        return self.resources.keys

    def confirm(self, request: DocumentRequest, answer: bytes) -> str | None:
        """Fetch the document, and return why the subscription is not confirmed."""
        document = self.resources.keys.fetch(request)
        return None if document is not None and answer in document else NOT_CONFIRMED

    def note_submission(self, sent: Sent) -> None:
        """Record a submission, for the page that shows it again."""
        self._submissions.append(sent)

    def check_submission(
        self, request: Request, body: Body, source: Source, form: Form, now: float, size: int
    ) -> CheckedSubmission:
        """Check a submission for spam, rate limits and quotas."""
        return check_submission(request, body, source, form, self.resources.spam_check, now, size)

    def store_file(self, content: memoryview) -> str:
        """Store a form's file, and return its SHA-256."""
        return self.resources.store_file(content)

    def new_id(self, now: float, /) -> str:
        """Return the id of a new event."""
        return event_id(now)

    def store(self, prepared: PreparedRequest) -> Sequence[StoredEvent]:
        """Store the events of a request."""
        return self.resources.storage.add(prepared)

    def wait_for_rate(self, source: Source, client: str | None, now: float) -> float:
        """Count a request and return 0, or the seconds to wait."""
        return wait_for_rate(self.resources.limiter, source, client, now)

    def learn_secret(self, request: Request, source: Source, now: float) -> Reply | Source:
        """Store the secret that a request teaches, or add what was learned to the source."""
        return self.resources.learning.apply(request, source, now)

    def record_reject(
        self,
        request: Request,
        source: Source,
        reason: str,
        now: float,
        others: Iterable[Source],
    ) -> str | None:
        """Store a copy of a request that failed verification."""
        return self.resources.rejects.record(request, source, reason, now, others)

    def log_refusal(
        self, level: int, event: str, source: str, code: str, /, **fields: object
    ) -> None:
        """Log a refused request, at most some of each code of a source."""
        self.log.limited(source, code).log(level, event, source=source, **fields)

    def count_refusal(self, source: Source, code: str, now: float) -> None:
        """Count a submission that a form refused, in the metrics and in the store."""
        self.counts.add(FORM_REFUSALS, source.name, code)
        self.resources.refusals.add(source.name, code, now)

    def wake_workers(self) -> None:
        """Wake the workers here and on other machines."""
        self.resources.wake_workers()


@dataclass(frozen=True, kw_only=True)
class TracedEffects(ReceiverEffects):
    """Do everything for a request, and export when its stages began and ended."""

    tracer: Tracer
    times: StageTimes = field(default_factory=StageTimes)

    def mark_verified(self) -> None:
        """End the verification."""
        self.times.verified = time.time_ns()

    def store(self, prepared: PreparedRequest) -> Sequence[StoredEvent]:
        """Store the events of a request; planning ends before, the request after."""
        self.times.planned = time.time_ns()
        stored = super().store(prepared)
        self.times.stored = time.time_ns()
        return stored

    def export_trace(self, received: Received, source: Source) -> None:
        """Export the spans of the events. A refused request has none: a flood must not buy work."""
        stages = self.times.stages()
        public_url = self.resources.context.settings.public_url
        scheme = public_url.partition("://")[0] or self.head.scheme
        status = None if source.form is not None else received.reply.status  # a form has another
        kept = received.stored
        self.tracer.export(
            lambda: spans.make_receipt_spans(kept, source, stages, scheme=scheme, status=status)
        )


def make_effects(resources: ProcessResources, head: RequestHead) -> ReceiverEffects:
    """Return the effects of one request, traced where this process exports traces."""
    tracer = resources.tracer
    if tracer is None:
        return ReceiverEffects(resources=resources, head=head)
    return TracedEffects(resources=resources, head=head, tracer=tracer)
