"""Deliveries as configurations plan them, and the changes between two plans of one event. Pure.

The comparison covers what is sent and where to, and the keys of `order_by` and `debounce`. It does
not cover how it is sent: `retry`, `delay`, limits and the credentials of a platform.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from bridge.core.json_values import MAX_DIFFERENCES, Difference, find_differences
from bridge.core.model import JSON, Delivery, Status


class PlanChange(StrEnum):
    """What another configuration changes for one event and one route."""

    INPUTS = "inputs"  #: the same flow gets other inputs
    NEW = "new"  #: only the other configuration plans a delivery
    LOST = "lost"  #: the other configuration plans no delivery
    DEAD = "dead"  #: planning now fails: the delivery is dead at once
    ALIVE = "alive"  #: planning failed, and now succeeds
    FLOW = "flow"  #: another flow gets it
    ORDER = "order"  #: the key of order_by or debounce differs
    RENAMED = "renamed"  #: the same flow and inputs, through a route of another name


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDelivery:
    """The compared parts of a planned delivery. `flow`: as PLATFORM/FLOW."""

    route: str
    status: str
    flow: str
    inputs: JSON
    reason: str | None = None
    whole_body: bool = False
    order: JSON = None
    debounce: str | None = None

    @classmethod
    def of(cls, planned: Delivery) -> PlannedDelivery:
        """Return the compared parts of a delivery."""
        order = planned.order
        return cls(
            route=planned.route,
            status=planned.status.value,
            flow=f"{planned.platform}/{planned.saved_item_id}",
            inputs=planned.inputs,
            reason=planned.reason,
            whole_body=planned.whole_body,
            order=None
            if order is None
            else {"key": order.key, "until": order.until, "blocks": order.blocks},
            debounce=None if planned.debounce is None else planned.debounce.key,
        )

    @property
    def is_dead(self) -> bool:
        """Whether planning failed."""
        return self.status == Status.DEAD

    @property
    def is_sent(self) -> bool:
        """Whether it would start a flow: it is neither dead nor of a shadow route."""
        return self.status == Status.QUEUED


COMPARED_FIELDS: Final = tuple(field.name for field in fields(PlannedDelivery))


@dataclass(frozen=True, slots=True)
class RouteChange:
    """One change of an event's deliveries. `reason`: why a delivery is lost or dead.

    `starts_less`: the flow was started, and would not be started any more.
    """

    event_id: str
    route: str
    change: PlanChange
    diff: Sequence[Difference] = ()
    reason: str | None = None
    starts_less: bool = False


class Incomparable(StrEnum):
    """Why an event cannot be compared."""

    SPAM = "spam"
    EMPTIED = "emptied"
    REDACTED = "redacted"
    ENCRYPTED = "encrypted"
    NO_CONFIG = "no_config"
    FAULT = "fault"


#: What to print beside a count of events that cannot be compared.
INCOMPARABLE_TEXTS: Final = {
    Incomparable.SPAM: "marked as spam, so no configuration plans it",
    Incomparable.EMPTIED: "its body was deleted (retention, or an erasure)",
    Incomparable.REDACTED: "the two configurations redact different values of it",
    Incomparable.ENCRYPTED: "it cannot be decrypted (FLOWBRIDGE_ENCRYPTION_KEYS)",
    Incomparable.NO_CONFIG: "the configuration that planned it was deleted or cannot be used",
    Incomparable.FAULT: "planning failed by a fault of flowbridge's own",
}


@dataclass(frozen=True, slots=True)
class EventComparison:
    """The comparison of one event. `same`: the route of each delivery that does not change.

    `incomparable`: why the event cannot be compared. `before`, `after`: the deliveries that were
    compared.
    """

    event_id: str
    same: Sequence[str] = ()
    changes: Sequence[RouteChange] = ()
    incomparable: Incomparable | None = None
    before: Sequence[PlannedDelivery] = ()
    after: Sequence[PlannedDelivery] = ()


def compare_plans(
    event_id: str, before: Sequence[PlannedDelivery], after: Sequence[PlannedDelivery]
) -> EventComparison:
    """Compare the deliveries that two configurations planned for one event."""
    pairs, lost, new = _pair(before, after)
    same = []
    changes = []
    for first, other in pairs:
        inputs = find_differences(first.inputs, other.inputs, "/inputs")
        change = None if first is other else _classify(first, other, has_other_inputs=bool(inputs))
        if change is None:
            same.append(other.route)
        else:
            diff = _differences(first, other, inputs)
            changes.append(_change(event_id, other.route, change, first, other, diff))
    changes += [_lose(event_id, delivery) for delivery in lost]
    changes += [_add(event_id, delivery) for delivery in new]
    return EventComparison(event_id, same, changes, before=before, after=after)


_Plans = list[PlannedDelivery]
_Pairs = list[tuple[PlannedDelivery, PlannedDelivery]]


def _pair(
    before: Sequence[PlannedDelivery], after: Sequence[PlannedDelivery]
) -> tuple[_Pairs, _Plans, _Plans]:
    """Return the pairs, and those that have no partner.

    Those of one route to the same flow are a pair, then the others of one route in their order,
    then those of different routes with the same flow and inputs.
    """
    pairs: _Pairs = []
    left = list(before)
    new = list(after)
    for is_pair in (_is_same_target, _is_same_route, _has_same_content):
        for delivery in list(left):
            other = next((candidate for candidate in new if is_pair(delivery, candidate)), None)
            if other is not None:
                pairs.append((delivery, other))
                left.remove(delivery)
                new.remove(other)
    return pairs, left, new


def _is_same_route(first: PlannedDelivery, other: PlannedDelivery) -> bool:
    return first.route == other.route


def _is_same_target(first: PlannedDelivery, other: PlannedDelivery) -> bool:
    return first.route == other.route and first.flow == other.flow


def _has_same_content(first: PlannedDelivery, other: PlannedDelivery) -> bool:
    return (
        (first.flow, first.status, first.reason, first.whole_body)
        == (other.flow, other.status, other.reason, other.whole_body)
    ) and not find_differences(first.inputs, other.inputs, limit=1)


def _classify(
    first: PlannedDelivery, other: PlannedDelivery, *, has_other_inputs: bool
) -> PlanChange | None:
    """Return the most important change of a pair, None where nothing changes."""
    is_sent = first.is_sent, other.is_sent
    rules = (
        (first.is_dead and other.is_dead and first.route == other.route, None),
        (other.is_dead and not first.is_dead, PlanChange.DEAD),
        (first.is_dead and not other.is_dead, PlanChange.ALIVE),
        (is_sent == (True, False), PlanChange.LOST),
        (is_sent == (False, True), PlanChange.NEW),
        (first.route != other.route, PlanChange.RENAMED),
        (first.flow != other.flow, PlanChange.FLOW),
        ((first.order, first.debounce) != (other.order, other.debounce), PlanChange.ORDER),
        (first.whole_body != other.whole_body or has_other_inputs, PlanChange.INPUTS),
    )
    return next((change for applies, change in rules if applies), None)


def _change(
    event_id: str,
    route: str,
    change: PlanChange,
    first: PlannedDelivery | None,
    other: PlannedDelivery | None,
    diff: Sequence[Difference],
) -> RouteChange:
    reason = None
    if change is PlanChange.DEAD and other is not None:
        reason = other.reason
    elif change is PlanChange.LOST and other is not None:
        reason = f"its delivery would be {other.status}: it is planned and never sent"
    return RouteChange(
        event_id,
        route,
        change,
        tuple(diff),
        reason,
        starts_less=first is not None and first.is_sent and (other is None or not other.is_sent),
    )


def _lose(event_id: str, delivery: PlannedDelivery) -> RouteChange:
    """Return the change of a delivery that only the first configuration plans."""
    diff = find_differences({"status": delivery.status}, {})
    return _change(event_id, delivery.route, PlanChange.LOST, delivery, None, diff)


def _add(event_id: str, delivery: PlannedDelivery) -> RouteChange:
    """Return the change of a delivery that only the second configuration plans."""
    change = PlanChange.DEAD if delivery.is_dead else PlanChange.NEW
    diff = find_differences({}, {"status": delivery.status})
    return _change(event_id, delivery.route, change, None, delivery, diff)


def _differences(
    first: PlannedDelivery, other: PlannedDelivery, inputs: Sequence[Difference]
) -> list[Difference]:
    """Return the differences of two deliveries, by the order of their fields.

    `inputs` are those of their inputs.
    """
    differences: list[Difference] = []
    for name in COMPARED_FIELDS:
        if name == "inputs":
            differences += inputs
        else:
            differences += find_differences(getattr(first, name), getattr(other, name), f"/{name}")
    return differences[:MAX_DIFFERENCES]
