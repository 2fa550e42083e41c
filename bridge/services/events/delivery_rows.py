"""The rows of a list of deliveries, with what decides how each is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bridge.core.model import JSON, Delivery, Status
from bridge.services.events.delivery_states import describe_status, needs_person
from bridge.services.planned_configs import PlannedConfigs
from bridge.services.records.delivery_records import DELIVERY
from bridge.services.records.json_record import expect_shape

if TYPE_CHECKING:
    from bridge.store.db.database import Database

RUN_PREFIX: Final = "run "  # of a note that only names the run


@dataclass(frozen=True, slots=True)
class ListedDelivery:
    """A delivery in a list: its status and a note, in words.

    `has_several_flows`: its route started several flows when it was planned, so only the flow tells
    its deliveries apart. `needs_person`: a person has to look at it.
    """

    delivery: Delivery
    status: str
    note: str
    has_several_flows: bool
    needs_person: bool


class DeliveryScreens:
    """Describes what only a screen shows of the deliveries of a list."""

    def __init__(self, database: Database) -> None:
        self._planned = PlannedConfigs(database)
        self._several: dict[tuple[str, str], bool] = {}  # by the plan: hash and route

    def describe(self, delivery: Delivery) -> dict[str, JSON]:
        """Return it for a delivery, in the shape of the admin API."""
        return {
            "debounced": delivery.debounce is not None,
            "needs_person": needs_person(delivery),
            "several_flows": self._has_several_flows(delivery),
        }

    def _has_several_flows(self, delivery: Delivery) -> bool:
        plan = (delivery.config_hash, delivery.route)
        if plan not in self._several:
            self._several[plan] = self._planned.has_several_flows(delivery)
        return self._several[plan]


def make_row(
    shape: Mapping[str, Any], screen: Mapping[str, Any], format_time: Callable[[float], str]
) -> ListedDelivery:
    """Return the row of a delivery, from its JSON and what `DeliveryScreens` describes.

    `format_time` writes the times in notes. Raises `UnreadableAnswer` for JSON of another shape.
    """
    delivery = DELIVERY.parse(shape)
    with expect_shape():
        return ListedDelivery(
            delivery,
            describe_status(delivery),
            _describe_wait(delivery, format_time, is_debounced=screen["debounced"]),
            screen["several_flows"],
            screen["needs_person"],
        )


def _describe_wait(
    delivery: Delivery, format_time: Callable[[float], str], *, is_debounced: bool
) -> str:
    """Return the reason of a delivery's state, its run, or what it waits for; empty where there is
    none.
    """
    if delivery.reason:
        return delivery.reason
    if delivery.run_id:
        return f"{RUN_PREFIX}{delivery.run_id}"
    if delivery.status is Status.BLOCKED and delivery.order is not None:
        return f"in line: order key {delivery.order.key}"
    if delivery.status is Status.QUEUED and is_debounced:
        return f"waits for later ones until {format_time(delivery.due_at)}"
    return ""
