"""The rows of a list of deliveries, with what decides how each is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.model import Delivery, Status
from bridge.services.delivery_states import describe_status, needs_person
from bridge.services.planned_configs import PlannedConfigs

if TYPE_CHECKING:
    from bridge.store.db.database import Database

RUN_PREFIX: Final = "run "  # of a note that only names the run


@dataclass(frozen=True, slots=True)
class ListedDelivery:
    """A delivery in a list: its status and a note, in words.

    `has_several_flows`: its route started several flows when it was planned, so only the flow tells
    its deliveries apart; always false without `with_flows`. `needs_person`: a person has to look at
    it.
    """

    delivery: Delivery
    status: str
    note: str
    has_several_flows: bool
    needs_person: bool


def list_deliveries(
    database: Database,
    deliveries: Iterable[Delivery],
    format_time: Callable[[float], str],
    *,
    with_flows: bool,
) -> Iterator[ListedDelivery]:
    """Yield a row for each delivery.

    `format_time` writes the times in notes. `with_flows`: find `has_several_flows`, which reads the
    configuration of each delivery.
    """
    planned = PlannedConfigs(database)
    for one in deliveries:
        yield ListedDelivery(
            one,
            describe_status(one),
            describe_delivery(one, format_time),
            with_flows and planned.has_several_flows(one),
            needs_person(one),
        )


def describe_delivery(delivery: Delivery, format_time: Callable[[float], str]) -> str:
    """Return the reason of a delivery's state, its run, or what it waits for; empty where there is
    none.
    """
    if delivery.reason:
        return delivery.reason
    if delivery.run_id:
        return f"{RUN_PREFIX}{delivery.run_id}"
    if delivery.status is Status.BLOCKED and delivery.order is not None:
        return f"in line: order key {delivery.order.key}"
    if delivery.status is Status.QUEUED and delivery.debounce is not None:
        return f"waits for later ones until {format_time(delivery.due_at)}"
    return ""
