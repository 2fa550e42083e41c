"""The timeline of an event: what happened to it and its deliveries, oldest first. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bridge.core.model import FAILED_RUN_STATES, Attempt, Delivery, RunState, Status
from bridge.core.status import find_kind
from bridge.core.text import pluralize, write_status_code
from bridge.services.events.delivery_states import describe_status
from bridge.services.events.event_screen import EventScreen, ShownDelivery, ShownOperation
from bridge.web.console.environment import format_bytes

MAX_ENTRIES: Final = 300  # the newest are shown
FORM_PROVIDER: Final = "form"  # public: there is nothing to verify
MIN_GAP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """Something that happened at a time. `kind`: of its status, for the colour and the shape.

    `subject`: the route that it is about, if it is about one. `gap`: the seconds since the entry
    before, if they are worth a line. `at` is null for what has no end yet. `log`: of a failed run.
    """

    at: float | None
    title: str
    detail: str = ""
    kind: str = "off"
    subject: str = ""
    gap: float | None = None
    log: Sequence[str] = ()


def build_timeline(screen: EventScreen, size: int | None) -> list[TimelineEntry]:
    """Return the entries of an event; `size`: the bytes of its body, null if they are hidden."""
    entries = [*_about_event(screen, size)]
    for shown_delivery in screen.deliveries:
        entries += _about_delivery(shown_delivery)
    entries += [
        _about_operation(operation)
        for operation in screen.operations
        if operation.item.at is not None
    ]
    ended = sorted(
        (entry for entry in entries if entry.at is not None), key=lambda entry: entry.at or 0.0
    )
    open_ = [entry for entry in entries if entry.at is None]
    return [*_name_gaps([*ended, *open_][-MAX_ENTRIES:])]


def _about_event(screen: EventScreen, size: int | None) -> Iterator[TimelineEntry]:
    event = screen.event
    notes = [
        f"from {event.client}" if event.client else "",
        format_bytes(size) if size is not None else "",
        f"the sender's try {event.sender_retry}" if event.sender_retry else "",
        f"sender's id {event.provider_id}" if event.provider_id else "no id of the sender",
        pluralize(event.duplicates, "duplicate") if event.duplicates else "",
        f"same body as {event.same_body_as}" if event.same_body_as else "",
    ]
    yield TimelineEntry(
        at=event.received_at,
        title="Received from a form"
        if event.provider == FORM_PROVIDER
        else f"Received and verified as {event.provider}",
        detail=" · ".join(filter(None, notes)),
        kind="ok",
    )
    if event.spam:
        yield TimelineEntry(
            at=event.received_at, title="Marked as spam", detail=event.spam, kind="warn"
        )
    if event.problem:
        yield TimelineEntry(
            at=event.received_at, title="Cannot be planned", detail=event.problem, kind="bad"
        )
    elif not screen.deliveries and not event.spam:
        yield TimelineEntry(at=event.received_at, title="No route matched", kind="warn")


def _about_delivery(shown_delivery: ShownDelivery) -> Iterator[TimelineEntry]:
    delivery = shown_delivery.delivery
    yield TimelineEntry(
        at=delivery.created_at,
        title=f"Planned for {delivery.flow}",
        kind="off",
        subject=delivery.route,
    )
    for attempt in shown_delivery.attempts:
        yield from _about_attempt(delivery, attempt)
    if (
        delivery.status is Status.DELIVERED
        and delivery.finished_at is not None
        and delivery.run_state
    ):
        yield _about_run(delivery, delivery.run_state, delivery.finished_at, delivery)
    elif delivery.status in (Status.DEAD, Status.CANCELLED):
        yield TimelineEntry(
            at=delivery.finished_at or delivery.due_at,
            title=describe_status(delivery).capitalize(),
            detail=delivery.reason or "",
            kind=find_kind(delivery.status) or "off",
            subject=delivery.route,
        )
    elif (entry := _about_wait(shown_delivery)) is not None:
        yield entry


def _about_attempt(delivery: Delivery, attempt: Attempt) -> Iterator[TimelineEntry]:
    outcome = attempt.outcome or "in progress"
    code = write_status_code(attempt.status_code, attempt.detail)
    answer = f" ({code})" if code else ""
    took = ""
    if attempt.finished_at is not None:
        took = f"after {(attempt.finished_at - attempt.started_at) * 1000:,.0f} ms"
    yield TimelineEntry(
        at=attempt.started_at,
        title=f"Attempt {attempt.number}: {outcome}{answer}",
        detail=" · ".join(filter(None, (took, attempt.detail))),
        kind=find_kind(outcome) or "off",
        subject=delivery.route,
    )
    if attempt.run_state and attempt.run_finished_at is not None:
        yield _about_run(delivery, attempt.run_state, attempt.run_finished_at, attempt)


def _about_run(
    delivery: Delivery, state: RunState, ended_at: float, run: Delivery | Attempt
) -> TimelineEntry:
    """Return the end of a run, whose id and log are in the delivery or in an attempt."""
    log = run.log if state in FAILED_RUN_STATES else ()
    return TimelineEntry(
        at=ended_at,
        title=f"Run {state}: {log[-1]}" if log else f"Run {state}",
        detail=run.run_id or "",
        kind=find_kind(state) or "off",
        subject=delivery.route,
        log=log,
    )


def _about_wait(shown_delivery: ShownDelivery) -> TimelineEntry | None:
    delivery = shown_delivery.delivery
    if delivery.status is Status.DELIVERED and delivery.run_id and delivery.finished_at is None:
        title = f"Run {delivery.run_state or 'started'}"
        detail = delivery.run_id
    elif shown_delivery.wait is not None:
        title = f"{describe_status(delivery).capitalize()}: waits"
        detail = shown_delivery.wait.detail or ""
    elif delivery.status in (Status.QUEUED, Status.SENDING, Status.BLOCKED, Status.UNKNOWN):
        title = describe_status(delivery).capitalize()
        detail = delivery.reason or ""
    else:
        return None
    kind = "warn" if delivery.status is Status.UNKNOWN else "busy"
    return TimelineEntry(at=None, title=title, detail=detail, kind=kind, subject=delivery.route)


def _about_operation(operation: ShownOperation) -> TimelineEntry:
    item = operation.item
    changed = f"{item.was} → {item.became}" if item.became else item.was or ""
    return TimelineEntry(
        at=item.at,
        title=f"{operation.command.capitalize()} by {operation.actor}",
        detail=f"refused: {item.problem}" if item.problem else changed,
        kind="warn" if item.problem else "off",
    )


def _name_gaps(entries: Sequence[TimelineEntry]) -> Iterator[TimelineEntry]:
    before: float | None = None
    for entry in entries:
        gap = None if entry.at is None or before is None else entry.at - before
        yield replace(entry, gap=gap if gap is not None and gap > MIN_GAP_SECONDS else None)
        before = entry.at if entry.at is not None else before
