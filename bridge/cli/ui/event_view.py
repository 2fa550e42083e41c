"""One event on the screen: what came, where it went, and what became of it there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
import orjson

from bridge.cli.route_reasons import NO_REASONS, Reasons
from bridge.cli.ui import output
from bridge.cli.ui.unknown_view import told
from bridge.core.model import JSON, Attempt, Delivery, Event, Reject, Status
from bridge.core.operations import Act, Item
from bridge.core.retention import is_emptied
from bridge.delivery.next_steps import Known, find_steps
from bridge.delivery.wait_reasons import Wait
from bridge.monitoring.serializers import iso
from bridge.store.queries.events import Found

if TYPE_CHECKING:
    from bridge.providers.model import Provider

LONGEST = 4000  # characters of a body or of outputs that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is shown beside an event: by delivery what it waits for and how many wait for it; what
    people did; what routes.yaml explains.

    `changed`: the deliveries whose route has changed since. `several`: those whose route has
    several flows. `at`: the time of it all.
    """

    waits: Mapping[str, Wait] = field(default_factory=dict)
    behind: Mapping[str, int] = field(default_factory=dict)
    acts: Sequence[tuple[Act, Item]] = ()
    reasons: Reasons = NO_REASONS
    changed: frozenset[str] = frozenset()
    several: frozenset[str] = frozenset()
    at: float = 0.0

    def known(self, delivery: Delivery) -> Known:
        """Return what decides the next step about a delivery."""
        wait = self.waits.get(delivery.id)
        return Known(
            is_misspelt=any(one.is_misspelt for one in self.reasons.missing.get(delivery.id, ())),
            is_changed=delivery.id in self.changed,
            has_several_flows=delivery.id in self.several,
            obstacle=wait.obstacle if wait is not None else None,
        )


def print_event(found: Found, beside: Beside, *, with_body: bool = False) -> None:
    """Print all that is known of an event: names on the left, values beside them, the same on a
    terminal and in a file.
    """
    _print_head(found.event)
    _print_unmatched(found, beside.reasons)
    _print_acts(beside, found.event.id)
    for delivery in found.deliveries:
        click.echo()
        _print_whole_delivery(found, delivery, beside)
    click.echo()
    _print_request(found.event, whole=with_body)


def print_delivery(found: Found, beside: Beside, *, with_body: bool = False) -> None:
    """Print one delivery, with a line about its event; the event's request only `with_body`."""
    event = found.event
    delivery = next(one for one in found.deliveries if one.id == found.delivery_id)
    _print_whole_delivery(
        found, delivery, beside, event=f"{event.id}  {event.source} {event.type or ''}".rstrip()
    )
    if with_body:
        click.echo()
        _print_request(event, whole=True)
    else:
        click.echo()
        output.line("the event", f"flowbridge show {event.id}")


def _print_whole_delivery(
    found: Found, delivery: Delivery, beside: Beside, event: str | None = None
) -> None:
    click.secho(output.clean(delivery.id), bold=True)
    output.line("event", event)
    _print_delivery(delivery, beside)
    _print_acts(beside, delivery.id)
    for attempt in found.attempts.get(delivery.id, ()):
        _print_attempt(attempt)
    for name, value in told(delivery.evidence) if delivery.evidence is not None else ():
        output.line(name, value)
    _block("inputs", delivery.inputs)
    _block("outputs", delivery.outputs)
    _block("log", "\n".join(delivery.log) or None)


def _print_unmatched(found: Found, reasons: Reasons) -> None:
    lines = [f"{route}: {reason}" if route else reason for route, reason in reasons.unmatched]
    if found.deliveries:
        for index, line in enumerate(lines):
            output.line("" if index else "not matched", line)
    elif lines and (provider := _tester(found.event)) is not None:
        output.line(
            "deliveries",
            f"none, and none is needed: {found.event.type} is how {provider.title} tries the URL",
        )
    elif lines:
        output.line("deliveries", "none: no route matched", "yellow")
        for line in lines:
            output.line("", line)
        output.line("next", f"fix routes.yaml, then flowbridge replay {found.event.id}")


def _tester(event: Event) -> Provider | None:
    """Return the provider of an event by which it only tries the URL; null for any other event."""
    from bridge.providers.registry import PROVIDERS

    provider = PROVIDERS.get(event.provider)
    return provider if provider is not None and event.type in provider.test_types else None


def print_reject(reject: Reject, findings: Sequence[str]) -> None:
    """Print all that is known of a request that failed verification, and why it did."""
    click.secho(output.clean(reject.id), bold=True)
    output.line(
        "source",
        (
            reject.source
            if reject.source == reject.provider
            else f"{reject.source} ({reject.provider})"
        ),
    )
    output.line("received", iso(reject.received_at))
    output.line("from", reject.client)
    output.line("refused", f"401 ({reject.reason})", "red")
    for finding in findings:
        output.line("why", finding, "yellow")
    if reject.event_ids:
        output.line(
            "readmitted", f"{iso(reject.readmitted_at)} as {', '.join(reject.event_ids)}", "green"
        )
    if reject.cut:
        output.line(
            "size", f"{output.number(reject.size, 'byte')}; the first {len(reject.body)} are kept"
        )
    click.echo()
    _print_request(reject)


def _print_head(event: Event) -> None:
    click.secho(output.clean(event.id), bold=True)
    output.line(
        "source",
        event.source if event.source == event.provider else f"{event.source} ({event.provider})",
    )
    output.line("type", event.type)
    output.line("provider id", event.provider_id)
    output.line("received", iso(event.received_at))
    for file in event.files:
        output.line(
            "file", f"{file.name} in {file.field}: {file.type}, {output.number(file.size, 'byte')}"
        )
    output.line("next", f"flowbridge show {event.id} --save DIR" if event.files else None)
    output.line("problem", event.problem, "red")
    output.line("spam", event.spam, "yellow")
    output.line("next", f"flowbridge spam release {event.id}" if event.spam else None)
    output.line("from", event.client)
    output.line("duplicates", event.duplicates or None)
    output.line("sender's try", event.sender_retry)
    output.line("same body as", event.same_body_as, "yellow")
    output.line("config", event.config_hash[:12])


def _print_acts(beside: Beside, id_: str) -> None:
    for act, item in beside.acts:
        if item.item_id == id_:
            changed = (
                f"{item.was} → {item.became}" if item.became else item.was and f"was {item.was}"
            )
            came = f"not done: {item.problem}" if item.problem else changed or ""
            output.line(act.command, f"{iso(item.at)} by {act.actor} ({act.id}) {came}".rstrip())


def _print_delivery(delivery: Delivery, beside: Beside) -> None:
    output.line("route", f"{delivery.route} → {delivery.flow}")
    output.line("status", output.standing(delivery), output.styled(output.standing(delivery)))
    output.line("reason", delivery.reason, "red" if delivery.status is Status.DEAD else "yellow")
    for one in beside.reasons.missing.get(delivery.id, ()):
        output.line("missing", one.text, "yellow")
    for row, step in enumerate(find_steps(delivery, beside.known(delivery), beside.at)):
        output.line("" if row else "next", step)
    if wait := beside.waits.get(delivery.id):
        output.line("waits", wait.detail, "yellow")
        output.line("until", iso(wait.until))
    elif delivery.status is Status.QUEUED:
        output.line("due", iso(delivery.due_at))
    if delivery.order is not None:
        behind = beside.behind.get(delivery.id, 0)
        place = f"; the head of its line, with {behind} behind it" if delivery.holds_key else ""
        output.line("order key", delivery.order.key + place)
    output.line("merged into", delivery.merged_into)
    output.line("run", " ".join(filter(None, (delivery.run_id, output.run_link(delivery)))))
    took = _took(delivery.delivered_at, delivery.finished_at) if delivery.run_id else ""
    output.line(
        "run ended" if delivery.run_id else "ended",
        delivery.finished_at and f"{iso(delivery.finished_at)}{took}",
    )
    if delivery.reruns:
        output.line(
            "earlier runs",
            f"{delivery.reruns}, each of which failed or was given up: see the attempts",
        )
    if delivery.throttled:
        output.line(
            "throttled", f"{output.number(delivery.throttled, 'time')}, which spent no attempt"
        )


def _print_attempt(attempt: Attempt) -> None:
    took = (
        ""
        if attempt.finished_at is None
        else f" after {(attempt.finished_at - attempt.started_at) * 1000:.0f} ms"
    )
    outcome = attempt.outcome or "under way"
    code = f" (HTTP {attempt.status_code})" if attempt.status_code else ""
    detail = f": {attempt.detail}" if attempt.detail else ""
    after = _took(attempt.finished_at, attempt.run_finished_at)
    ran = f"; its run {attempt.run_id} {attempt.run_state}{after}" if attempt.run_state else ""
    late = f"; too late, so nobody follows its run {attempt.run_id}" if attempt.late_at else ""
    colour = "yellow" if late else output.styled(attempt.run_state or outcome)
    output.line(
        f"attempt {attempt.number}",
        f"{iso(attempt.started_at)}  {outcome}{code}{took}{detail}{ran}{late}",
        colour,
    )
    _block("  its outputs", attempt.outputs)
    _block("  its log", "\n".join(attempt.log) or None)


def _took(since: float | None, until: float | None) -> str:
    """Return how long a run took, as seen from here, to be put behind its end; nothing where that
    is not known.
    """
    return (
        "" if since is None or until is None else f", after {output.span(max(until - since, 0.0))}"
    )


def _block(name: str, value: JSON) -> None:
    """Print a value over as many lines as it takes, indented below its name."""
    if value is None or value == {}:
        return
    text = value if isinstance(value, str) else output.indented(value)
    lines = output.clean_lines(_shortened(text)).split("\n")
    if len(lines) == 1:
        output.line(name, lines[0])
        return
    click.secho(name, dim=True)
    click.echo("\n".join(f"  {line}" for line in lines))


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return (
        f"{text[:LONGEST]}\n… ({output.number(len(text) - LONGEST, 'character')} more: --body shows"
        " all)"
    )


def _print_request(event: Event | Reject, *, whole: bool = False) -> None:
    click.secho("request", bold=True)
    for name, value in event.headers.items():
        click.echo(f"  {output.clean(name)}: {output.clean(value)}")
    if event.query_string:
        click.echo(f"  ?{output.clean(event.query_string)}")
    click.echo()
    if isinstance(event, Event) and is_emptied(event):
        click.echo(
            "  its body was let go by the `retention` of its source, and what deliveries made of it"
        )
        return
    try:
        text = event.body.decode()
    except UnicodeDecodeError:
        click.echo(
            f"  {output.number(len(event.body), 'byte that is', 'bytes that are')} no text: --json"
            " shows them in base64"
        )
        return
    with suppress(orjson.JSONDecodeError):  # what is no JSON is shown as it came
        text = orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    click.echo(
        "\n".join(
            f"  {line}"
            for line in output.clean_lines(text if whole else _shortened(text)).split("\n")
        )
    )
