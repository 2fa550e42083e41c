"""An event, a delivery or a reject on the screen, with all its details."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bridge.cli.ui import output
from bridge.cli.ui.request_view import print_event_request, print_hidden_request, print_request
from bridge.cli.ui.text_blocks import OUTPUT_LINES, SHOW_ALL_HINT, print_block
from bridge.core.advice import name_command
from bridge.core.model import OWN_SOURCE_NAME, Attempt, Event, Reject, Status
from bridge.core.text import write_status_code
from bridge.core.units import iso_seconds
from bridge.services.events.delivery_states import describe_status
from bridge.services.events.event_steps import (
    SUBSCRIBE,
    find_file_step,
    find_spam_step,
    find_unmatched_step,
)
from bridge.services.unknown.run_evidence import WINDOW_NAME, describe_search

if TYPE_CHECKING:
    from bridge.providers.model import Provider
    from bridge.services.events.event_screen import EventScreen, ShownDelivery

SHOWN_ATTEMPTS = 2  # the last ones; earlier ones are folded


def print_event(screen: EventScreen, *, with_body: bool = False, is_folded: bool = False) -> None:
    """Print an event with its deliveries: names on the left, values beside them.

    `is_folded`: shorten what is rarely read, so that the rest fits a screen.
    """
    _print_head(screen.event, is_folded=is_folded)
    _print_unmatched(screen)
    _print_operations(screen, screen.event.id)
    for shown_delivery in screen.deliveries:
        click.echo()
        _print_whole_delivery(screen, shown_delivery, is_folded=is_folded)
    click.echo()
    print_event_request(screen, whole=with_body, is_folded=is_folded and not with_body)


def print_delivery(
    screen: EventScreen,
    shown_delivery: ShownDelivery,
    *,
    with_body: bool = False,
    is_folded: bool = False,
) -> None:
    """Print one delivery with a line about its event; with `with_body`, the event's request too."""
    event = screen.event
    line = f"{event.id}  {event.source} {event.type or ''}".rstrip()
    _print_whole_delivery(screen, shown_delivery, event=line, is_folded=is_folded)
    if with_body:
        click.echo()
        print_event_request(screen, whole=True)
    else:
        click.echo()
        output.line("the event", name_command("show", event.id))


def _print_whole_delivery(
    screen: EventScreen, shown_delivery: ShownDelivery, *, is_folded: bool, event: str | None = None
) -> None:
    delivery = shown_delivery.delivery
    click.secho(output.clean(delivery.id), bold=True)
    output.line("event", event)
    _print_delivery(shown_delivery, is_folded=is_folded)
    _print_operations(screen, delivery.id)
    attempts = shown_delivery.attempts
    folded = max(len(attempts) - SHOWN_ATTEMPTS, 0) if is_folded else 0
    output.line(
        "attempts", f"{output.number(folded, 'earlier one')}: {SHOW_ALL_HINT}" if folded else None
    )
    for attempt in attempts[folded:]:
        _print_attempt(attempt, is_folded=is_folded)
    for name, value in describe_search(delivery):
        output.line(name, None if is_folded and name == WINDOW_NAME else value)
    print_block("inputs", delivery.inputs, is_folded=is_folded)
    print_block("outputs", delivery.outputs, is_folded=is_folded, max_lines=OUTPUT_LINES)
    print_block("log", "\n".join(delivery.log) or None, is_folded=is_folded, keeps_end=True)


def _print_unmatched(screen: EventScreen) -> None:
    event = screen.event
    lines = [": ".join(filter(None, pair)) for pair in screen.unmatched]
    if screen.deliveries:
        for index, line in enumerate(lines):
            output.line("" if index else "not matched", line)
    elif lines and (provider := _tester(event)) is not None:
        output.line(
            "deliveries",
            f"none, as expected: {event.type} is how {provider.title} tests the URL",
        )
    elif lines:
        output.line("deliveries", "none: no route matched", "yellow")
        for line in lines:
            output.line("", line)
        output.line("next", find_unmatched_step(event))
    elif event.source == OWN_SOURCE_NAME:
        output.line("deliveries", "none: no route subscribes to it", "yellow")
        output.line("next", SUBSCRIBE)


def _tester(event: Event) -> Provider | None:
    """Return the provider where the event is its test of the URL, else None."""
    from bridge.providers.registry import PROVIDERS

    provider = PROVIDERS.get(event.provider)
    return provider if provider is not None and event.type in provider.test_types else None


def print_reject(
    reject: Reject,
    findings: Sequence[str],
    *,
    with_body: bool = False,
    is_folded: bool = False,
    has_contents: bool = True,
) -> None:
    """Print a request that failed verification, with the reasons.

    Without `has_contents`, its request and the reasons are hidden.
    """
    from bridge.services.rejects import describe_next_step

    click.secho(output.clean(reject.id), bold=True)
    output.line(
        "source",
        (
            reject.source
            if reject.source == reject.provider
            else f"{reject.source} ({reject.provider})"
        ),
    )
    output.line("received", iso_seconds(reject.received_at))
    output.line("from", reject.client)
    output.line("refused", f"401 ({reject.reason})", "red")
    for finding in findings:
        output.line("why", finding, "yellow")
    if reject.event_ids:
        output.line(
            "readmitted",
            f"{iso_seconds(reject.readmitted_at)} as {', '.join(reject.event_ids)}",
            "green",
        )
    output.line("next", describe_next_step(reject))
    if reject.cut and has_contents:
        output.line(
            "size", f"{output.number(reject.size, 'byte')}; the first {len(reject.body)} are stored"
        )
    click.echo()
    if has_contents:
        print_request(reject, whole=with_body, is_folded=is_folded and not with_body)
    else:
        print_hidden_request()


def _print_head(event: Event, *, is_folded: bool) -> None:
    click.secho(output.clean(event.id), bold=True)
    output.line(
        "source",
        event.source if event.source == event.provider else f"{event.source} ({event.provider})",
    )
    output.line("type", event.type)
    output.line("provider id", event.provider_id)
    output.line("received", iso_seconds(event.received_at))
    for file in event.files:
        output.line(
            "file",
            f"{f'{file.name} in {file.field}: ' if file.name else ''}{file.type},"
            f" {output.number(file.size, 'byte')}",
        )
    output.line("next", find_file_step(event))
    output.line("problem", event.problem, "red")
    output.line("spam", event.spam, "yellow")
    output.line("next", find_spam_step(event))
    output.line("from", event.client)
    output.line("duplicates", event.duplicates or None)
    output.line("sender's try", event.sender_retry)
    output.line("same body as", event.same_body_as, "yellow")
    output.line("config", None if is_folded else event.config_hash[:12])


def _print_operations(screen: EventScreen, id_: str) -> None:
    for act in screen.operations_on(id_):
        item = act.item
        changed = f"{item.was} → {item.became}" if item.became else item.was and f"was {item.was}"
        came = f"refused: {item.problem}" if item.problem else changed or ""
        output.line(
            act.command, f"{iso_seconds(item.at)} by {act.actor} ({act.id}) {came}".rstrip()
        )


def _print_delivery(shown_delivery: ShownDelivery, *, is_folded: bool) -> None:
    delivery = shown_delivery.delivery
    output.line("route", f"{delivery.route} → {delivery.flow}")
    output.line("status", describe_status(delivery), output.find_colour(describe_status(delivery)))
    output.line("reason", delivery.reason, "red" if delivery.status is Status.DEAD else "yellow")
    for omission in shown_delivery.missing:
        output.line(
            "left out" if omission.is_harmless else "missing",
            omission.text,
            None if omission.is_harmless else "yellow",
        )
    for row, step in enumerate(shown_delivery.next_steps):
        output.line("" if row else "next", step)
    if wait := shown_delivery.wait:
        is_said = is_folded and wait.has_obstacle  # the next step says it
        output.line("waits", None if is_said else wait.detail, "yellow")
        output.line("until", iso_seconds(wait.until))
    elif delivery.status is Status.QUEUED:
        output.line("due", iso_seconds(delivery.due_at))
    if delivery.order is not None:
        behind = f"; first of its key, with {shown_delivery.behind} waiting behind it"
        place = behind if shown_delivery.holds_key else ""
        output.line("order key", delivery.order.key + place)
    output.line("merged into", delivery.merged_into)
    output.line("run", " ".join(filter(None, (delivery.run_id, delivery.run_url))))
    took = _took(delivery.delivered_at, delivery.finished_at) if delivery.run_id else ""
    output.line(
        "run ended" if delivery.run_id else "ended",
        delivery.finished_at and f"{iso_seconds(delivery.finished_at)}{took}",
    )
    if delivery.reruns:
        output.line(
            "earlier runs",
            f"{delivery.reruns}, each failed or abandoned: see the attempts",
        )
    if delivery.throttled:
        output.line(
            "throttled", f"{output.number(delivery.throttled, 'time')}, without using up an attempt"
        )


def _print_attempt(attempt: Attempt, *, is_folded: bool) -> None:
    took = (
        ""
        if attempt.finished_at is None
        else f" after {(attempt.finished_at - attempt.started_at) * 1000:.0f} ms"
    )
    outcome = attempt.outcome or "in progress"
    code = write_status_code(attempt.status_code, attempt.detail)
    answer = f" ({code})" if code else ""
    detail = f": {attempt.detail}" if attempt.detail else ""
    after = _took(attempt.finished_at, attempt.run_finished_at)
    ran = f"; its run {attempt.run_id} {attempt.run_state}{after}" if attempt.run_state else ""
    late = f"; too late, so its run {attempt.run_id} is not tracked" if attempt.late_at else ""
    colour = "yellow" if late else output.find_colour(attempt.run_state or outcome)
    output.line(
        f"attempt {attempt.number}",
        f"{iso_seconds(attempt.started_at)}  {outcome}{answer}{took}{detail}{ran}{late}",
        colour,
    )
    print_block("  its outputs", attempt.outputs, is_folded=is_folded)
    print_block("  its log", "\n".join(attempt.log) or None, is_folded=is_folded, keeps_end=True)


def _took(since: float | None, until: float | None) -> str:
    """Return how long a run took, as a suffix; empty where that is unknown."""
    return (
        "" if since is None or until is None else f", after {output.span(max(until - since, 0.0))}"
    )
