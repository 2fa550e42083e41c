"""The details of a trial for a page: plans by event, an explanation and an expression. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from bridge.core.model import JSON, Event
from bridge.core.retention import is_content_deleted
from bridge.core.units import MIB
from bridge.ingest.planned_deliveries import (
    INCOMPARABLE_TEXTS,
    EventComparison,
    Incomparable,
    PlannedDelivery,
)
from bridge.routing.model import Config
from bridge.services.trials.explanations import write_explanation
from bridge.services.trials.expression_trial import try_expression
from bridge.services.trials.messages import MAX_DETAILED_EVENTS, Message, TrialDetails

MAX_SHOWN_EXPLANATION_BYTES: Final = 2 * MIB
TOO_LONG: Final = "the explanation is too long for a page: name a smaller event"
DELETED: Final = "its body is deleted"


class DetailsReport:
    """Collects the details of the events of a trial as they come."""

    def __init__(self, details: TrialDetails) -> None:
        self._asked = details
        self._events: list[JSON] = []
        self._explanation: JSON | orjson.Fragment = None
        self._expression: JSON = None

    def add(self, event: Event, comparison: EventComparison, after: Config) -> None:
        """Add what both configurations do with an event."""
        if len(self._events) < MAX_DETAILED_EVENTS:
            self._events.append(
                {
                    "event_id": event.id,
                    "type": event.type,
                    "before": _list_plans(comparison.before),
                    "after": _list_plans(comparison.after),
                    "incomparable": comparison.incomparable,
                }
            )
        if event.id == self._asked.event_id:
            self._explanation = _explain(event, after)
            self._expression = _evaluate(self._asked.expression, event, after)

    def as_json(self) -> dict[str, Any]:
        """Return the details, for the result of the trial."""
        return {
            "planned": self._events,
            "explanation": self._explanation,
            "expression": self._expression,
        }


def report_without_config(details: TrialDetails, messages: Iterable[Message]) -> dict[str, JSON]:
    """Return the details of a trial whose text cannot be used: only the expression."""
    expression: JSON = None
    for message in messages:
        if isinstance(message, Event) and message.id == details.event_id:
            expression = _evaluate(details.expression, message, None)
    return {"planned": [], "explanation": None, "expression": expression}


def _list_plans(planned: Sequence[PlannedDelivery]) -> list[JSON]:
    """Return the deliveries that a configuration plans, with the reasons of dead ones."""
    return [
        {"route": delivery.route, "status": delivery.status, "reason": delivery.reason}
        for delivery in planned
    ]


def _explain(event: Event, config: Config) -> Mapping[str, JSON] | orjson.Fragment:
    if is_content_deleted(event):
        return {"problem": DELETED, "routes": []}
    written = write_explanation(event, config)
    if written is None:
        return {"problem": INCOMPARABLE_TEXTS[Incomparable.FAULT], "routes": []}
    if len(written) > MAX_SHOWN_EXPLANATION_BYTES:
        return {"problem": TOO_LONG, "routes": []}
    return orjson.Fragment(written)


def _evaluate(text: str | None, event: Event, config: Config | None) -> JSON:
    if not text or is_content_deleted(event):
        return None
    return dict(try_expression(text, event, config).as_json())
