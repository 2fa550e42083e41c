"""One event on the screen: what came, where it went, and what became of it there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import click
import orjson

from bridge.cli import output
from bridge.model import JSON, Attempt, Delivery, Event, Reject
from bridge.shapes import iso
from bridge.store.queries import Found

LONGEST = 4000  # characters of a body or of outputs that are shown
NAME = 14  # columns of a name


def print_event(found: Found) -> None:
    """Print all that is known of an event. Names stand left and values beside them, the same on a terminal and in a file."""
    _print_head(found.event)
    for delivery in found.deliveries:
        click.echo()
        mark = " (the one you asked for)" if delivery.id == found.delivery_id and len(found.deliveries) > 1 else ""
        _print_delivery(delivery, found.attempts.get(delivery.id, ()), mark)
    click.echo()
    _print_request(found.event)


def print_reject(reject: Reject, findings: Sequence[str]) -> None:
    """Print all that is known of a request that failed verification, and why it did."""
    click.secho(output.clean(reject.id), bold=True)
    _line("source", reject.source if reject.source == reject.provider else f"{reject.source} ({reject.provider})")
    _line("received", iso(reject.received_at))
    _line("from", reject.client)
    _line("refused", f"401 ({reject.reason})", "red")
    for finding in findings:
        _line("why", finding, "yellow")
    if reject.event_ids:
        _line("readmitted", f"{iso(reject.readmitted_at)} as {', '.join(reject.event_ids)}", "green")
    if reject.cut:
        _line("size", f"{reject.size} bytes; the first {len(reject.body)} are kept")
    click.echo()
    _print_request(reject)


def _line(name: str, value: object, colour: str | None = None, *, indent: int = 0) -> None:
    if value is None or value == "":
        return
    text = output.clean(value)
    click.echo(" " * indent + click.style(name.ljust(NAME), dim=True) + (click.style(text, fg=colour) if colour else text))


def _print_head(event: Event) -> None:
    click.secho(output.clean(event.id), bold=True)
    _line("source", event.source if event.source == event.provider else f"{event.source} ({event.provider})")
    _line("type", event.type)
    _line("provider id", event.provider_id)
    _line("received", iso(event.received_at))
    _line("problem", event.problem, "red")
    _line("duplicates", event.duplicates or None)
    _line("same body as", event.same_body_as, "yellow")
    _line("config", event.config_hash[:12])


def _print_delivery(delivery: Delivery, attempts: Sequence[Attempt], mark: str) -> None:
    click.secho(output.clean(delivery.id) + mark, bold=True)
    _line("route", f"{delivery.route} → {delivery.flow}")
    _line("status", output.standing(delivery), output.styled(output.standing(delivery)))
    _line("reason", delivery.reason, "red" if delivery.status == "dead" else "yellow")
    if delivery.status == "queued":
        _line("due", iso(delivery.due_at))
    _line("run", " ".join(filter(None, (delivery.run_id, delivery.run_url))))
    _line("run ended" if delivery.run_id else "ended", iso(delivery.finished_at))
    if delivery.throttled:
        _line("throttled", f"{delivery.throttled} times, which spent no attempt")
    for attempt in attempts:
        _print_attempt(attempt)
    _block("inputs", delivery.inputs)
    _block("outputs", delivery.outputs)
    _block("log", "\n".join(delivery.log) or None)


def _print_attempt(attempt: Attempt) -> None:
    took = "" if attempt.finished_at is None else f" after {(attempt.finished_at - attempt.started_at) * 1000:.0f} ms"
    outcome = attempt.outcome or "under way"
    code = f" (HTTP {attempt.status_code})" if attempt.status_code else ""
    detail = f": {attempt.detail}" if attempt.detail else ""
    _line(f"attempt {attempt.number}", f"{iso(attempt.started_at)}  {outcome}{code}{took}{detail}", output.styled(outcome))


def _block(name: str, value: JSON) -> None:
    """Print a value over as many lines as it takes, indented below its name."""
    if value is None or value == {}:
        return
    text = value if isinstance(value, str) else output.indented(value)
    lines = output.clean_lines(_shortened(text)).split("\n")
    if len(lines) == 1:
        _line(name, lines[0])
        return
    click.secho(name, dim=True)
    click.echo("\n".join(f"  {line}" for line in lines))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… ({len(text) - LONGEST} characters more: --json shows all)"


def _print_request(event: Event | Reject) -> None:
    click.secho("request", bold=True)
    for name, value in event.headers.items():
        click.echo(f"  {output.clean(name)}: {output.clean(value)}")
    if event.query_string:
        click.echo(f"  ?{output.clean(event.query_string)}")
    click.echo()
    try:
        text = event.body.decode()
    except UnicodeDecodeError:
        click.echo(f"  {len(event.body)} bytes that are no text: --json shows them in base64")
        return
    with suppress(orjson.JSONDecodeError):  # what is no JSON is shown as it came
        text = orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    click.echo("\n".join(f"  {line}" for line in output.clean_lines(_shortened(text)).split("\n")))
