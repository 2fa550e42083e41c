"""Log lines and traces of deliveries: a span for each attempt and each ended run, and the
`traceparent` header of a start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from urllib.parse import unquote

from bridge.core.errors import StoreError
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import Delivery, Status
from bridge.core.status import Outcome
from bridge.delivery.attempt import Send
from bridge.delivery.unknown_outcomes import WORKER_DIED
from bridge.monitoring.spans import Span, make_attempt_span, make_run_span
from bridge.monitoring.trace_ids import (
    TRACEPARENT_HEADER,
    TRACEPARENT_VARIABLE,
    Trace,
    attempt_span_id,
    run_span_id,
    trace_of,
)
from bridge.monitoring.tracing.exporter import Tracer
from bridge.routing.model import Config, Platform
from bridge.routing.planner import event_id_of
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queue.claim_round import Claim
from bridge.worker.attempt_deadline import Deliver
from bridge.worker.turn_changes import TurnChanges, log_attempt, log_changes

MAX_TRACES = 4096  # that are remembered; each costs a query


class DeliveryObserver:
    """Logs attempts and ends of runs, and traces nothing."""

    def wrap(self, deliver: Deliver) -> Deliver:
        """Return the function that makes attempts."""
        return deliver

    def record_turn(self, taken: TurnChanges) -> None:
        """Log the changes of a turn."""
        log_changes(taken)

    def record_attempt(self, claim: Claim, outcome: Outcome, status: Status | None) -> None:
        """Log the outcome of a call."""
        log_attempt(claim, outcome, status)

    def environ(self, key: str | None) -> dict[str, str]:  # noqa: ARG002 - the shape of its subclass
        """Return environment variables for a run. `key`: the idempotency key of its start."""
        return {}


class TracedObserver(DeliveryObserver):
    """Also exports spans. Where the store cannot be read, those of the event are left out."""

    def __init__(self, tracer: Tracer, config: Callable[[], Config], database: Database) -> None:
        self._tracer = tracer
        self._config = config
        self._database = database
        self._remembered = lru_cache(MAX_TRACES)(self._look_up)
        # when a call began and ended, until its span is made
        self._times: dict[tuple[str, int], tuple[int, int]] = {}

    def wrap(self, deliver: Deliver) -> Deliver:
        """Return a function that makes attempts, each with the `traceparent` of its span."""
        return partial(self._deliver, deliver)

    def record_turn(self, taken: TurnChanges) -> None:
        """Log the changes of a turn, and export their spans."""
        log_changes(taken)
        self._tracer.export(lambda: self._spans(taken))

    def record_attempt(self, claim: Claim, outcome: Outcome, status: Status | None) -> None:
        """Log the outcome of a call, and export its span."""
        log_attempt(claim, outcome, status)
        self._tracer.export(lambda: self._attempt(claim, outcome, status))

    def environ(self, key: str | None) -> dict[str, str]:
        """Return the variable with the span of the run; none for a run without a delivery."""
        event_id = event_id_of(unquote(key or "").partition("~")[0])
        trace = self._trace(event_id) if event_id else None
        return (
            {TRACEPARENT_VARIABLE: self._tracer.header(trace, run_span_id(key or ""))}
            if trace
            else {}
        )

    def _deliver(
        self, deliver: Deliver, delivery: Delivery, platform: Platform, send: Send, now: float
    ) -> Outcome:
        trace = self._trace(delivery.event_id)
        number = delivery.attempts + delivery.throttled + 1
        if trace is None:
            return deliver(delivery, platform, send, now)
        began = time.time_ns()
        try:
            return deliver(
                delivery,
                platform,
                _with_traceparent(
                    send, self._tracer.header(trace, attempt_span_id(delivery.id, number))
                ),
                now,
            )
        finally:
            self._times[delivery.id, number] = began, time.time_ns()

    def _spans(self, taken: TurnChanges) -> Iterator[Span]:
        for claim, outcome, status in taken.settled:
            yield from self._attempt(claim, outcome, status)
        for claim, status in taken.reaped:
            if claim.attempt:
                yield from self._attempt(claim, WORKER_DIED, status)
        for followed, report in taken.over:
            if trace := self._trace(followed.event_id):
                yield make_run_span(trace, followed, report, time.time())

    def _attempt(self, claim: Claim, outcome: Outcome, status: Status | None) -> Iterator[Span]:
        delivery = claim.delivery
        began, ended = self._times.pop(
            (delivery.id, claim.attempt), (int(claim.began_at * 1e9), time.time_ns())
        )
        if trace := self._trace(delivery.event_id):
            platform = self._config().platforms.get(delivery.platform)
            yield make_attempt_span(
                trace, delivery, claim.attempt, platform, outcome, status, began, ended
            )

    def _trace(self, event_id: str) -> Trace | None:
        try:
            return self._remembered(event_id)
        except StoreError:
            return None

    def _look_up(self, event_id: str) -> Trace:
        source, headers = events.headers_of(self._database, event_id)
        return trace_of(event_id, headers, self._config().sources.get(source))


def make_observer(
    tracer: Tracer | None, config: Callable[[], Config], database: Database
) -> DeliveryObserver:
    """Return an observer, with spans where there is a tracer."""
    return DeliveryObserver() if tracer is None else TracedObserver(tracer, config, database)


def _with_traceparent(send: Send, traceparent: str) -> Send:
    """Return a `send` that adds a `traceparent` header.

    A call that has one keeps it: the operator configured it for the platform.
    """

    def named(call: Call) -> Answer | NoAnswer:
        if all(name.lower() != TRACEPARENT_HEADER for name in call.headers):
            call = replace(call, headers={**call.headers, TRACEPARENT_HEADER: traceparent})
        return send(call)

    return named
