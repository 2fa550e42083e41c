"""The details of an event as a screen shows them: its JSON, with the advice that people get.

`describe_screen` adds the advice to the JSON of an event, and `parse_screen` reads both. So the
screen of a local store and that of a remote bridge are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bridge.core.advice import Advice
from bridge.core.model import JSON, Attempt, Delivery, Event
from bridge.core.operations import OperationStep
from bridge.services.explain.route_reasons import MissingInput
from bridge.services.records.advice_records import COMMAND
from bridge.services.records.delivery_records import ATTEMPT, DELIVERY_DETAILS
from bridge.services.records.event_records import EVENT_DETAILS
from bridge.services.records.json_record import expect_shape, parse_time
from bridge.services.records.operation_records import STEP

if TYPE_CHECKING:
    from bridge.services.events.event_details import EventDetails

Shape = dict[str, JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownWait:
    """The wait reason of a delivery. `has_obstacle`: the next steps name what has to be fixed."""

    detail: str | None
    until: float | None
    has_obstacle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDelivery:
    """A delivery with its attempts and the advice about it.

    `behind`: how many deliveries wait for it. `missing`: its inputs without a value.
    """

    delivery: Delivery
    attempts: Sequence[Attempt]
    wait: ShownWait | None
    holds_key: bool
    behind: int
    next_steps: Sequence[Advice]
    missing: Sequence[MissingInput]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownOperation:
    """One item of an operation on the event or on a delivery."""

    id: str
    command: str
    actor: str
    item: OperationStep


@dataclass(frozen=True, slots=True, kw_only=True)
class EventScreen:
    """One event with its deliveries, as a screen shows them.

    `unmatched`: pairs of a route and the reason why it did not match; null if contents are hidden.
    `asked_for`: the delivery that was named, None if the event was. `config_error`: why the last
    good configuration was used for the reasons. `has_contents`: headers, body, inputs and outputs
    are not hidden.
    """

    event: Event
    deliveries: Sequence[ShownDelivery]
    operations: Sequence[ShownOperation]
    unmatched: Sequence[tuple[str, str | None]]
    asked_for: ShownDelivery | None
    config_error: str | None
    has_contents: bool = field(default=True)

    def operations_on(self, id_: str) -> Sequence[ShownOperation]:
        """Return the operations on the event, or on one delivery."""
        return [operation for operation in self.operations if operation.item.item_id == id_]


def describe_screen(details: EventDetails, *, with_contents: bool = True) -> Shape:
    """Return the advice about an event, for the key `screen` of its JSON.

    Without contents, it has no text that may quote a payload or a platform's answer.
    """
    reasons = details.reasons
    steps_of = details if with_contents else replace(details, waits={})
    asked_for = details.asked_for
    return {
        "asked_for": None if asked_for is None else asked_for.id,
        "config_error": None if reasons.config_error is None else str(reasons.config_error),
        "unmatched": [
            {"route": route, "reason": reason if with_contents else None}
            for route, reason in reasons.unmatched
        ],
        "deliveries": {
            delivery.id: {
                **_write_steps(steps_of.next_steps(delivery)),
                "missing": [
                    {
                        "text": missing_input.text,
                        "misspelt": missing_input.is_misspelt,
                        "harmless": missing_input.is_harmless,
                    }
                    for missing_input in (
                        reasons.missing.get(delivery.id, ()) if with_contents else ()
                    )
                ],
                "behind": details.behind.get(delivery.id, 0),
                "holds_key": delivery.holds_key,
                "has_obstacle": (wait := details.waits.get(delivery.id)) is not None
                and wait.obstacle is not None,
            }
            for delivery in details.deliveries
        },
    }


def _write_steps(steps: Sequence[Advice]) -> Shape:
    return {
        "next_steps": [step.sentence for step in steps],
        "step_commands": [[*map(COMMAND.write, step.commands)] for step in steps],
    }


def _parse_steps(about: Mapping[str, Any]) -> list[Advice]:
    """Return the next steps; an earlier version does not name their commands."""
    sentences = about["next_steps"]
    rows = about.get("step_commands", [()] * len(sentences))
    return [
        Advice(sentence, tuple(map(COMMAND.parse, commands)))
        for sentence, commands in zip(sentences, rows, strict=True)
    ]


def parse_screen(shape: Mapping[str, Any]) -> EventScreen:
    """Return the screen of an event from its JSON with the key `screen`.

    Raises `UnreadableAnswer` where the JSON has another shape.
    """
    with expect_shape():
        advice = shape["screen"]
        deliveries = [_parse_delivery(delivery, advice) for delivery in shape["deliveries"]]
        return EventScreen(
            event=EVENT_DETAILS.parse(shape),
            deliveries=deliveries,
            operations=[
                ShownOperation(
                    id=operation["id"],
                    command=operation["command"],
                    actor=operation["actor"],
                    item=STEP.parse(operation["item"]),
                )
                for operation in shape["operations"]
            ],
            unmatched=[(route["route"], route["reason"]) for route in advice["unmatched"]],
            asked_for=next(
                (
                    shown_delivery
                    for shown_delivery in deliveries
                    if shown_delivery.delivery.id == advice["asked_for"]
                ),
                None,
            ),
            config_error=advice["config_error"],
            has_contents=shape["headers"] is not None,
        )


def _parse_delivery(shape: Mapping[str, Any], advice: Mapping[str, Any]) -> ShownDelivery:
    about = advice["deliveries"][shape["id"]]
    wait = shape["waits_for"]
    return ShownDelivery(
        delivery=DELIVERY_DETAILS.parse(shape),
        attempts=[
            ATTEMPT.parse(attempt, delivery_id=shape["id"]) for attempt in shape["attempt_list"]
        ],
        wait=(
            None
            if wait is None
            else ShownWait(
                detail=wait["detail"],
                until=parse_time(wait["until"]),
                has_obstacle=about["has_obstacle"],
            )
        ),
        holds_key=about["holds_key"],
        behind=about["behind"],
        next_steps=_parse_steps(about),
        missing=[
            MissingInput(
                missing_input["text"],
                missing_input["misspelt"],
                is_harmless=missing_input["harmless"],
            )
            for missing_input in about["missing"]
        ],
    )
