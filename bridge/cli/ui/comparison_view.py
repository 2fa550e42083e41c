"""The summary of a comparison of two configurations, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.ingest.planned_deliveries import INCOMPARABLE_TEXTS, PlanChange

if TYPE_CHECKING:
    from bridge.core.json_differences import Difference
    from bridge.ingest.planned_deliveries import RouteChange
    from bridge.services.traffic_comparison import RouteTally, TrafficSummary

MAX_EXAMPLE_VALUE_CHARS: Final = 60


def _colour(cell: str) -> str | None:
    return None if cell in ("0", "-") else "red"


COLUMNS: Final = (
    Column("route", whole=True),
    Column("same", whole=True),
    Column("changed", whole=True),
    Column("new", whole=True),
    Column("lost", _colour, whole=True),
    Column("dead", _colour, whole=True),
    Column("example", whole=True, short=output.short_id),
    Column("difference", spare=True),
)


def print_summary(summary: TrafficSummary, which: str) -> None:
    """Print the number of events, and a row for each route, changed ones first.

    `which`: the events that were compared.
    """
    if not summary.events:
        output.say(f"No matching events {which}.")
        return
    changed = sum(bool(one.changes) for one in summary.routes.values())
    events = f"{summary.events:,} event{'s' * (summary.events != 1)}"
    click.echo(
        f"{output.clean(f'{events} {which}')}: "
        + (f"{output.number(changed, 'route')} changed" if changed else "nothing changes")
    )
    rows = sorted(summary.routes.items(), key=lambda pair: not pair[1].changes)
    tables.print_table(COLUMNS, (_row(name, tally) for name, tally in rows))


def say_skipped(summary: TrafficSummary) -> None:
    """Print how many events could not be compared, by reason."""
    for reason, count in summary.skipped.most_common():
        output.say(
            f"{output.number(count, 'event')} could not be compared: {INCOMPARABLE_TEXTS[reason]}"
        )


def _row(name: str, tally: RouteTally) -> tuple[str, ...]:
    example = tally.example
    return (
        name,
        str(tally.same),
        str(tally.changed),
        *(str(tally.changes[one]) for one in (PlanChange.NEW, PlanChange.LOST, PlanChange.DEAD)),
        "" if example is None else example.event_id,
        "" if example is None else _describe(example),
    )


def _describe(change: RouteChange) -> str:
    """Return the change in one line: its reason, or its first difference."""
    if change.reason is not None:
        return f"{change.change}: {change.reason}"
    if change.change is PlanChange.NEW or not change.diff:
        return change.change.value
    first = change.diff[0]
    more = f" (and {len(change.diff) - 1} more)" if len(change.diff) > 1 else ""
    text = describe_difference(first)
    word = "" if text.startswith(change.change.value) else f"{change.change}: "
    return f"{word}{text}{more}"


def describe_difference(one: Difference) -> str:
    """Return a difference as `inputs/n: 1 → 2`, with long values cut."""
    return f"{one.path.removeprefix('/')}: {_shorten(one.before)} → {_shorten(one.after)}"


def _shorten(value: object) -> str:
    """Return a value as JSON, cut where it is long."""
    if value is None:
        return "none"
    try:
        text = output.json_text(value)
    except TypeError:
        return "…"
    cut = len(text) > MAX_EXAMPLE_VALUE_CHARS
    return f"{text[: MAX_EXAMPLE_VALUE_CHARS - 1]}…" if cut else text
