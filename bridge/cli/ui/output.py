"""Output of the command line: lines for people and JSON for programs, with control characters
escaped.

Bodies, headers, reasons and outputs come from strangers: control characters and those that change
the direction of writing are escaped in all of them.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click

from bridge.core.json_values import write_json
from bridge.core.model import JSON
from bridge.core.status import find_kind
from bridge.core.text import escape_json, escape_lines, escape_unprintable, pluralize
from bridge.core.units import LATEST_TIME, in_utc, write_time

if TYPE_CHECKING:
    from rich.console import Console

LABEL_COLUMNS = 14  # of a name, before its value
MAX_TEXT_COLUMNS = 100  # in which running text is wrapped
#: Prefix of an id -> how many of its last characters identify it. The last eight of a delivery's id
#: are the same for all deliveries of a route.
ID_ENDING_CHARS = {"evt_": 8, "rej_": 8, "act_": 8, "tok_": 8, "dlv_": 14}
KIND_COLOURS = {
    "bad": "red",
    "warn": "yellow",
    "busy": "cyan",
    "ok": "green",
    "off": "bright_black",
}


number = pluralize
clean = escape_unprintable
clean_lines = escape_lines


def say(text: str = "") -> None:
    """Print a note to stderr."""
    click.echo(clean_lines(text), err=True)


def answer(text: str = "") -> None:
    """Print a result to stdout."""
    click.echo(clean_lines(text))


def rows_of(counts: Mapping[str, int]) -> str:
    """Return how many rows each table has, without empty tables."""
    return ", ".join(f"{number(count, 'row')} of {name}" for name, count in counts.items() if count)


def line(name: str, value: object, colour: str | None = None) -> None:
    """Print a name with a value beside it to stdout; nothing where there is no value."""
    if value is not None and value != "":
        text = clean(value)
        click.echo(
            click.style(clean(name).ljust(LABEL_COLUMNS), dim=True)
            + (click.style(text, fg=colour) if colour else text)
        )


def json_line(value: JSON) -> None:
    """Print one JSON value on a line."""
    click.echo(json_text(value))


def json_lines(values: Sequence[JSON]) -> None:
    """Print JSON values, one on a line, in one write."""
    if values:
        click.echo("\n".join(map(json_text, values)))


def json_text(value: JSON, *, is_indented: bool = False) -> str:
    """Return JSON with the characters escaped that a terminal would interpret."""
    return escape_json(write_json(value, is_indented=is_indented).decode())


def indented(value: JSON) -> str:
    """Return indented JSON for people."""
    return clean_lines(write_json(value, is_indented=True).decode())


def on_terminal() -> bool:
    """Tell whether stdout is a terminal."""
    return sys.stdout.isatty()


def columns() -> int:
    """Return the width of the terminal."""
    return get_terminal_size().columns


def console(*, err: bool = False) -> Console:
    """Return a console that does not interpret markup."""
    from rich.console import Console

    return Console(stderr=err, highlight=False, markup=False, emoji=False, soft_wrap=False)


def find_colour(text: str) -> str | None:
    """Return the colour of a status, a run state or an outcome: the colour of its worst word."""
    kind = find_kind(text)
    return "bright_black" if text == "-" else KIND_COLOURS[kind] if kind else None


def short_id(text: str) -> str:
    """Return an id shortened in the middle, as commands accept it: `evt_…k2m9abcd`."""
    kind = text[:4]
    return (
        f"{kind}…{text[-ID_ENDING_CHARS[kind] :]}"
        if kind in ID_ENDING_CHARS and len(text) > len(kind) + 1 + ID_ENDING_CHARS[kind]
        else text
    )


def ending(id_: str) -> str:
    """Return the last characters of an id, which commands accept."""
    return id_[-ID_ENDING_CHARS[id_[:4]] :] if id_[:4] in ID_ENDING_CHARS else id_


def wrap_text(text: str, indent: int = 0, width: int | None = None) -> str:
    """Wrap a text for a place `indent` columns from the left; names with hyphens and URLs stay
    whole.

    Lines end before column `width` (default: that of the terminal, at most 100); all but the first
    are indented.
    """
    margin = " " * indent
    if width is None:
        width = min(MAX_TEXT_COLUMNS, columns()) if on_terminal() else MAX_TEXT_COLUMNS
    filled = textwrap.fill(
        text,
        width,
        initial_indent=margin,
        subsequent_indent=margin,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return filled[indent:]


def moment(at: float | None) -> str:
    """Return a time for a list, in UTC to the second; on a terminal only the time today, else the
    date.
    """
    if at is None:
        return "-"
    when = in_utc(at)
    if when is None:
        return "-"
    if not on_terminal():
        return when.strftime("%Y-%m-%dT%H:%M:%SZ")
    return when.strftime("%H:%M:%SZ" if when.date() == datetime.now(UTC).date() else "%Y-%m-%d")


def clock(at: float) -> str:
    """Return the time of day in UTC, to the millisecond."""
    return write_time(at, "%H:%M:%S.%f")[:-3] or "-"


def utc(at: float) -> str:
    """Return a date and time in UTC, to the second."""
    return write_time(at, "%Y-%m-%d %H:%M:%SZ")


def span(seconds: float | None) -> str:
    """Return a duration in words: `0.31 s`, `42.0 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None or not seconds <= LATEST_TIME:
        return "-"
    seconds = max(seconds, 0.0)
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes = int(seconds) // 60
    return (
        f"{minutes} min {int(seconds) % 60} s"
        if minutes < 60
        else f"{minutes // 60} h {minutes % 60} min"
    )
