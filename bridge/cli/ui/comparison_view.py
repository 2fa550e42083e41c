"""The summary of a comparison of two configurations, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.ingest.planned_deliveries import INCOMPARABLE_TEXTS, Incomparable, PlanChange

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


def print_summary(report: Mapping[str, Any], which: str) -> None:
    """Print the number of events, and a row for each route.

    `report` has the shape of the record `TRAFFIC`. `which`: the events that were compared.
    """
    if not report["events"]:
        output.say(f"No matching events {which}.")
        return
    changed = sum(row["example"] is not None for row in report["routes"])
    events = f"{report['events']:,} event{'s' * (report['events'] != 1)}"
    click.echo(
        f"{output.clean(f'{events} {which}')}: "
        + (f"{output.number(changed, 'route')} changed" if changed else "nothing changes")
    )
    tables.print_table(COLUMNS, map(_row, report["routes"]))


def say_skipped(skipped: Mapping[str, int]) -> None:
    """Print how many events could not be compared, by reason."""
    for reason, count in skipped.items():
        text = INCOMPARABLE_TEXTS[Incomparable(reason)]
        output.say(f"{output.number(count, 'event')} could not be compared: {text}")


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    example = row["example"]
    return (
        row["route"],
        *(str(row[name]) for name in ("same", "changed", "new", "lost", "dead")),
        "" if example is None else example["event_id"],
        "" if example is None else _describe(example, row["reason"]),
    )


def _describe(change: Mapping[str, Any], reason: str | None) -> str:
    """Return the change in one line: its reason, or its first difference."""
    word = change["change"]
    if reason is not None:
        return f"{word}: {reason}"
    if word == PlanChange.NEW or not change["diff"]:
        return str(word)
    first = change["diff"][0]
    more = f" (and {len(change['diff']) - 1} more)" if len(change["diff"]) > 1 else ""
    text = describe_difference(first["path"], first["before"], first["after"])
    head = "" if text.startswith(word) else f"{word}: "
    return f"{head}{text}{more}"


def describe_difference(path: str, before: object, after: object) -> str:
    """Return a difference as `inputs/n: 1 → 2`, with long values cut."""
    return f"{path.removeprefix('/')}: {_shorten(before)} → {_shorten(after)}"


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
