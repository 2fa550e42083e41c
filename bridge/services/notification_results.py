"""Results of an alert's deliveries: whether each has notified anyone, and why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.model import Delivery, RunState, Status
from bridge.core.units import write_time
from bridge.services.events.delivery_states import is_over

if TYPE_CHECKING:
    from bridge.delivery.wait_context import Wait
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

POLL_SECONDS: Final = 0.2
#: Kinds of waits that last until a person acts.
NEEDS_PERSON: Final = frozenset({"hold", "platform", "credentials", "flow", "paused"})

Waits = Mapping[str, "Wait"]


@dataclass(frozen=True, slots=True)
class NotificationResult:
    """The result of one delivery. `is_notified` is None while it is not known."""

    delivery: Delivery
    is_notified: bool | None
    detail: str = ""


def wait_for_results(
    database: Database,
    event_id: str,
    config: Config,
    seconds: float,
    warn: Callable[[Wait], object],
) -> list[NotificationResult]:
    """Return the results of an event's deliveries, after at most `seconds`.

    Return earlier when each has a result or waits for a person. `warn` gets the first wait for a
    worker.
    """
    end = time.monotonic() + seconds
    is_warned = False
    while True:
        deliveries, waits = _read(database, event_id, config)
        results = [find_result(delivery, waits.get(delivery.id)) for delivery in deliveries]
        if time.monotonic() >= end or all(
            _is_final(result, waits.get(result.delivery.id)) for result in results
        ):
            return results
        unserved = next((wait for wait in waits.values() if wait.kind == "worker"), None)
        if unserved is not None and not is_warned:
            warn(unserved)
            is_warned = True
        time.sleep(min(POLL_SECONDS, max(end - time.monotonic(), 0.0)))


def find_result(delivery: Delivery, wait: Wait | None = None) -> NotificationResult:
    """Return the result of a delivery. `wait`: its wait, if any."""
    if delivery.status is Status.SHADOW:
        return NotificationResult(
            delivery, False, "its route is in mode shadow, so nothing is sent"
        )
    if delivery.status in (Status.DEAD, Status.CANCELLED):
        return NotificationResult(
            delivery, False, f"{delivery.status}: {delivery.reason or 'no reason is stored'}"
        )
    if delivery.status is not Status.DELIVERED:
        return NotificationResult(
            delivery,
            None,
            "; ".join(filter(None, (delivery.reason, _describe(wait))))
            or f"it is {delivery.status}",
        )
    if delivery.run_state in (None, RunState.DONE):
        return NotificationResult(delivery, True)
    if not is_over(delivery):
        return NotificationResult(delivery, None, f"its run is {delivery.run_state}")
    return NotificationResult(
        delivery,
        False,
        f"its run {delivery.run_state}: {delivery.log[-1]}"
        if delivery.log
        else f"its run {delivery.run_state}",
    )


def _describe(wait: Wait | None) -> str:
    if wait is None:
        return ""
    if wait.until is None:
        return wait.detail
    return f"{wait.detail} (until {write_time(wait.until, '%Y-%m-%d %H:%M:%SZ')})"


def _read(database: Database, event_id: str, config: Config) -> tuple[Sequence[Delivery], Waits]:
    from bridge.store.inbound import events
    from bridge.store.queries import wait_facts

    deliveries = events.deliveries_of(database, [event_id])[event_id]
    return deliveries, wait_facts.find_waits(database, deliveries, config, time.time())


def _is_final(result: NotificationResult, wait: Wait | None) -> bool:
    """Return whether waiting longer is useless."""
    return result.is_notified is not None or (wait is not None and wait.kind in NEEDS_PERSON)
