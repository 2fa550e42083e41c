"""The state of a delivery in words, and whether it has ended or needs a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bridge.core.model import (
    FAILED_RUN_STATES,
    RUN_ENDED,
    DeadKind,
    Delivery,
    Event,
    RunState,
    Status,
)


def describe_status(delivery: Delivery) -> str:
    """Return a delivery's status with its detail.

    That is the state of its run (`delivered, done`), or what has to be fixed (`dead, config`).
    """
    return describe_state(delivery.status, delivery.dead_kind, delivery.run_state)


def describe_state(status: Status, dead_kind: DeadKind | None, run_state: RunState | None) -> str:
    """Return the text of `describe_status` for a delivery with these values."""
    if status is Status.DEAD:
        more = dead_kind and dead_kind.word
    else:
        more = run_state if status is Status.DELIVERED else None
    return f"{status}, {more}" if more else str(status)


def describe_outcome(event: Event, deliveries: Iterable[Delivery]) -> str:
    """Return the outcome of an event in one line: its deliveries by status, spam, problem and
    duplicates.
    """
    counts = Counter(map(describe_status, deliveries))
    became = " · ".join(
        f"{count} × {word}" if count > 1 else word for word, count in counts.items()
    )
    duplicates = (
        f"{event.duplicates} duplicate{'s' * (event.duplicates > 1)}" if event.duplicates else ""
    )
    same_body = "same body as another" if event.same_body_as else ""
    spam = event.spam and f"spam: {event.spam}"
    became = became or ((event.problem or spam) and "none") or "none: no route matched"
    return " · ".join(filter(None, (became, spam, event.problem, duplicates, same_body)))


def is_over(delivery: Delivery) -> bool:
    """Return whether a delivery has ended, and will not change by itself."""
    if delivery.status is Status.DELIVERED:
        return delivery.run_state is None or delivery.run_state in RUN_ENDED
    return delivery.status in (Status.DEAD, Status.CANCELLED, Status.SHADOW)


def needs_person(delivery: Delivery) -> bool:
    """Return whether a delivery needs a person: it is dead, its run failed, or its outcome is
    unknown and flowbridge does not look for its run.
    """
    is_held = delivery.status is Status.UNKNOWN and delivery.look_at is None
    return delivery.status is Status.DEAD or delivery.run_state in FAILED_RUN_STATES or is_held
