"""The answers to requests under /hooks, by the kind of request: webhook, dry run or form."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Protocol

from bridge.core.errors import Refused
from bridge.core.model import Delivery, Event, Status
from bridge.delivery.causes import find_cause
from bridge.ingest.ports import StoredEvent
from bridge.ingest.receive import Received
from bridge.monitoring.metrics import ACK, EVENTS
from bridge.providers.model import Reply
from bridge.routing.model import Config, Source
from bridge.routing.planner import find_omitted_inputs
from bridge.web.forms.hidden_fields import MakeAntiSpamFields
from bridge.web.forms.refusals import answer_refused
from bridge.web.forms.request import FormRequest
from bridge.web.forms.responses import answer_received
from bridge.web.receiving import dry_run
from bridge.web.receiving.dry_run import DryRunEffects
from bridge.web.receiving.effects import HookEffects
from bridge.web.receiving.hook_messages import (
    HookAnswer,
    answer_refusal,
    answer_reply,
    answer_response,
)

# refusals that are logged elsewhere
CODES_WITH_OWN_LOG_LINE = frozenset(
    {"unauthorized", "no_key", "no_secret", "store_failed", "internal_error"}
)


def record_refusal(source: Source, effects: HookEffects, refused: Refused) -> None:
    """Count a refused submission, and log it with its invalid fields that routes.yaml names."""
    if refused.status != HTTPStatus.METHOD_NOT_ALLOWED:  # a visitor opened the URL
        effects.count_refusal(source, refused.code, time.time())
    if refused.code in CODES_WITH_OWN_LOG_LINE:
        return
    field_names = source.form.field_names if source.form is not None else ()
    effects.log_refusal(
        logging.INFO,
        "form_refused",
        source.name,
        refused.code,
        status=refused.status,
        code=refused.code,
        fields=[name for name in refused.fields if name in field_names],
    )


def count_events(received: Received, source: Source, seconds: float, effects: HookEffects) -> None:
    """Count the events of a request, and the time that storing them took."""
    effects.counts.observe(ACK, max(seconds, 0.0))
    if not received.stored:
        effects.counts.add(EVENTS, source.name, "handshake")
    for event, kept in received.stored:
        effects.counts.add(EVENTS, source.name, _outcome(event, kept))


def log_request(
    source: Source,
    config: Config,
    started: float,
    effects: HookEffects,
    received: Received,
    status: int,
) -> None:
    """Log a request that was answered with `status`.

    Write one line per event: ids and counts, never a body or a header's value.
    """
    log = effects.log
    milliseconds = round((time.monotonic() - started) * 1000, 1)
    if received.fault is not None:
        last = received.stored[-1][0].id
        log.limited(source.name).error(
            "planning_failed", source=source.name, event_id=last, exc_info=received.fault
        )
    if not received.stored:
        log.limited(source.name).info("handshake", source=source.name, status=status)
    routes = config.routes_of(source.name) if received.stored else ()
    for event, kept in received.stored:
        log.info(
            "event",
            event_id=kept.event_id,
            source=source.name,
            type=event.type,
            provider_id=event.provider_id,
            bytes=len(event.body),
            files=len(event.files),
            deliveries=len(kept.deliveries),
            routes=[delivery.route for delivery in kept.deliveries],
            shadow=[
                delivery.route for delivery in kept.deliveries if delivery.status is Status.SHADOW
            ],
            parked=[
                _describe_parked(delivery) for delivery in kept.deliveries if delivery.dead_kind
            ],
            left_out=find_omitted_inputs(kept.deliveries, routes),
            status=status,
            duplicate=kept.duplicate,
            problem=event.problem,
            spam=event.spam and event.spam.partition(":")[0],
            ms=milliseconds,
        )


def _describe_parked(parked: Delivery) -> dict[str, str]:
    """Return a delivery that planning refused, with the cause, which quotes no payload."""
    return {
        "route": parked.route,
        "flow": parked.flow,
        "cause": find_cause(parked.reason, parked.dead_kind).label,
    }


def _outcome(event: Event, kept: StoredEvent) -> str:
    if kept.duplicate:
        return "duplicate"
    return "spam" if event.spam else "problem" if event.problem else "accepted"


class HookAnswers(Protocol):
    """Makes the answers to one request."""

    def answer_received(self, received: Received) -> HookAnswer:
        """Return the answer to a request that is received."""

    def answer_refused(self, refused: Refused) -> HookAnswer:
        """Return the answer to a request that is refused."""


@dataclass(frozen=True, slots=True)
class WebhookAnswers:
    """Answers a webhook as its sender requires."""

    source: Source

    def answer_received(self, received: Received) -> HookAnswer:
        """Return the reply."""
        return answer_reply(received.reply)

    def answer_refused(self, refused: Refused) -> HookAnswer:
        """Return the refusal as JSON, or without a body where the sender requires that."""
        if refused.status == 401 and self.source.provider.bare_refusal:
            return answer_reply(Reply(401, "text/plain"))
        return answer_refusal(refused)


@dataclass(frozen=True, slots=True)
class DryRunAnswers:
    """Answers a dry run: marked as one, and with a description of a request that is refused."""

    effects: DryRunEffects

    def answer_received(self, received: Received) -> HookAnswer:
        """Return the reply that a live request would get."""
        return answer_reply(received.reply, {dry_run.HEADER: dry_run.DONE})

    def answer_refused(self, refused: Refused) -> HookAnswer:
        """Return the refusal as JSON."""
        refused.headers |= {dry_run.HEADER: dry_run.DONE}
        return answer_refusal(refused, self.effects.said)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormAnswers:
    """Answers a submission with a page, a redirect, or JSON for a script."""

    source: Source
    asking: FormRequest
    effects: HookEffects
    parts: MakeAntiSpamFields

    def answer_received(self, received: Received) -> HookAnswer:
        """Return the answer to a submission that is stored."""
        response = answer_received(received, self.source, self.asking)
        return answer_response(self.asking.allow_reading(response), self.asking.request.method)

    def answer_refused(self, refused: Refused) -> HookAnswer:
        """Record a refusal, and return its answer."""
        record_refusal(self.source, self.effects, refused)
        asking = replace(self.asking, sent=self.effects.submission)
        response = answer_refused(refused, self.source, asking, self.parts)
        return answer_response(self.asking.allow_reading(response), self.asking.request.method)
