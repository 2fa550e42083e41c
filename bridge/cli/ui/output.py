"""Everything the command line prints: tables and lines for people, JSON for programs, nothing that
could command a terminal.

Bodies, headers, reasons and outputs are written by strangers: control characters and those that
turn the direction of writing are escaped in all of them.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click
import orjson

from bridge.core import plurals
from bridge.core.model import JSON, Delivery
from bridge.core.times import LATEST, in_utc, write_time

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

CHUNK = 200  # rows whose widths are looked at before the first is printed
WIDEST = 60  # characters to which the cells of a column are filled up in plain text
GAP = 2  # columns between those of a table
NAME = 14  # columns of a name that a value stands beside
ARROW = " → "  # between a route and the flow it starts
LEAST = 10  # columns that a shortened one keeps
UNSERVED_PAGE = "/console/runs?"  # the page of a run of the embedded platform
MAX_TEXT_COLUMNS = 100  # in which running text is wrapped
#: How an id begins -> how many of its last characters tell it from others. Of a delivery's the last
#: eight are the same for all of a route.
ENDINGS = {"evt_": 8, "rej_": 8, "act_": 8, "dlv_": 14}
# columns in which a text is broken into lines beside the others; with less room it goes below its
# row
ROOMY = 24
STYLES = {
    **dict.fromkeys(("delivered", "done", "ok", "started"), "green"),
    **dict.fromkeys(("queued", "sending", "running"), "cyan"),
    **dict.fromkeys(("unknown", "blocked", "throttled", "refused", "warning"), "yellow"),
    **dict.fromkeys(
        ("dead", "failed", "terminated", "rejected", "unauthorized", "401", "error"), "red"
    ),
    **dict.fromkeys(("cancelled", "shadow", "none", "-"), "bright_black"),
}
_HARMFUL_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


number = plurals.number


def clean(value: object) -> str:
    """Return a text on one line, in which what is not printable is escaped as Python writes it."""
    text = "" if value is None else str(value)
    return (
        text
        if text.isprintable()
        else "".join(one if one.isprintable() else _escape(one) for one in text)
    )


def clean_lines(text: str) -> str:
    """Return a text with its lines as they are, each cleaned."""
    return "\n".join(
        clean(line.replace("\t", "    ")) for line in text.replace("\r\n", "\n").split("\n")
    )


def _escape(char: str) -> str:
    return (
        " "
        if char.isspace() and char not in "\n\r\t\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029"
        else repr(char)[1:-1]
    )


def say(text: str = "") -> None:
    """Print to stderr: what is not the answer."""
    click.echo(clean_lines(text), err=True)


def answer(text: str = "") -> None:
    """Print to stdout: the answer."""
    click.echo(clean_lines(text))


def rows_of(counts: Mapping[str, int]) -> str:
    """Return how many rows there are of each table, nothing of those that have none."""
    return ", ".join(f"{number(count, 'row')} of {name}" for name, count in counts.items() if count)


def line(name: str, value: object, colour: str | None = None) -> None:
    """Print a name and beside it a value, of the answer; nothing where there is no value."""
    if value is not None and value != "":
        text = clean(value)
        click.echo(
            click.style(name.ljust(NAME), dim=True)
            + (click.style(text, fg=colour) if colour else text)
        )


def json_line(value: JSON) -> None:
    """Print one JSON value on a line of its own, at once."""
    click.echo(json_text(value))


def json_text(value: JSON) -> str:
    """Return JSON in which a terminal finds nothing to obey either."""
    return _HARMFUL_IN_JSON.sub(
        lambda found: f"\\u{ord(found[0]):04x}", orjson.dumps(value).decode()
    )


def indented(value: JSON) -> str:
    """Return JSON for people."""
    return clean_lines(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def on_terminal() -> bool:
    """Tell whether a person looks at stdout."""
    return sys.stdout.isatty()


def columns() -> int:
    """Return how wide the terminal is."""
    return get_terminal_size().columns


def console(*, err: bool = False) -> Console:
    """Return a console that takes no text for markup."""
    from rich.console import Console

    return Console(stderr=err, highlight=False, markup=False, emoji=False, soft_wrap=False)


def styled(text: str) -> str | None:
    """Return the colour of a status, a run's state or an outcome: that of its worst word."""
    found = [STYLES[word] for word in re.split(r"[ ,→]+", text) if word in STYLES]
    return next(
        (style for style in ("red", "yellow", "cyan", "green", "bright_black") if style in found),
        None,
    )


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list. `style` gives the colour of a cell.

    On a terminal a `whole` column is never cut, and a `spare` one has all of its text in what room
    the others leave, or below. Where not everything fits, `short` gives what a cell shows instead,
    and an `optional` column that has no room, or no text, is left out. `cut` cuts a cell to a
    width, where that is not done at its end.
    """

    title: str
    style: Callable[[str], str | None] = lambda _: None
    whole: bool = False
    spare: bool = False
    short: Callable[[str], str] | None = None
    optional: bool = False
    cut: Callable[[str, int], str] | None = None


def cut_route(text: str, width: int) -> str:
    """Cut `ROUTE → FLOW` so that the flow, which tells the deliveries of one route apart, is there
    whole as far as it can be.
    """
    route, arrow, flow = text.partition(ARROW)
    if not arrow:
        return text
    some = route[: max(width - len(arrow) - len(flow) - 1, 1)]
    forms = text, f"{some}…{arrow}{flow}", f"{arrow.lstrip()}{flow}", flow
    return next((each for each in forms if len(each) <= width), f"…{flow[1 - width :]}")


def short_id(text: str) -> str:
    """Return an id by its two ends, as commands accept it: `evt_…k2m9abcd`."""
    kind = text[:4]
    return (
        f"{kind}…{text[-ENDINGS[kind] :]}"
        if kind in ENDINGS and len(text) > len(kind) + 1 + ENDINGS[kind]
        else text
    )


def ending(id_: str) -> str:
    """Return the last characters of an id, by which commands find it."""
    return id_[-ENDINGS[id_[:4]] :] if id_[:4] in ENDINGS else id_


ID = Column("id", whole=True, short=short_id)


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> int:
    """Print rows as they come and return how many: a table on a terminal, aligned text with two
    spaces between elsewhere.
    """
    cells = (tuple(clean(value) or "-" for value in row) for row in rows)
    count = 0
    widths: list[int] = []
    for chunk in _chunks(cells):
        if on_terminal():
            screen = console()
            screen.print(grid(columns, chunk, screen.width, header=count == 0), crop=False)
        else:
            widths = widths or _widths(columns, chunk)
            lines = (
                [tuple(column.title.upper() for column in columns)] if count == 0 else []
            ) + chunk
            click.echo("\n".join(_plain(line, widths) for line in lines))
        count += len(chunk)
    return count


def _chunks(cells: Iterator[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    for first in cells:
        yield list(chain((first,), islice(cells, CHUNK - 1)))


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        min(WIDEST, max(len(column.title), *(len(row[place]) for row in rows)))
        for place, column in enumerate(columns)
    ]


def _plain(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def grid(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int, *, header: bool = True
) -> RenderableType:
    """Return rows as a table for a terminal that is `room` columns wide."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    used = [
        place
        for place, column in enumerate(columns)
        if not column.optional or any(row[place] != "-" for row in rows)
    ]
    columns = [columns[place] for place in used]
    rows = [[row[place] for place in used] for row in rows]
    longest = _longest(columns, rows)
    widths = fit(columns, longest, room)
    if any(
        width < length
        for column, width, length in zip(columns, widths, longest, strict=True)
        if not (column.spare and width)
    ) or (sum(widths) + GAP * (len(widths) - 1) > room):
        rows = [
            [
                column.short(cell) if column.short else cell
                for column, cell in zip(columns, row, strict=True)
            ]
            for row in rows
        ]
        widths = fit(columns, _longest(columns, rows), room)
    beside = [place for place, width in enumerate(widths) if width]
    below = [
        place
        for place, width in enumerate(widths)
        if not width and not columns[place].optional and any(row[place] != "-" for row in rows)
    ]

    def cell(row: Sequence[str], place: int) -> str:
        cut = columns[place].cut
        return row[place] if cut is None else cut(row[place], widths[place])

    def table(some: Sequence[Sequence[str]], *, header: bool) -> Table:
        made = Table(
            box=None,
            show_header=header,
            header_style="bold",
            pad_edge=False,
            padding=(0, GAP, 0, 0),
        )
        for place in beside:
            spare = columns[place].spare
            made.add_column(
                columns[place].title,
                width=widths[place],
                no_wrap=not spare,
                overflow="fold" if spare else "ellipsis",
            )
        for row in some:
            made.add_row(
                *(
                    Text(cell(row, place), style=columns[place].style(row[place]) or "")
                    for place in beside
                )
            )
        return made

    def indented(told: Sequence[Text]) -> list[RenderableType]:
        return [Padding(Text("  ").join(told), (0, 0, 0, GAP))] if told else []

    if not below:
        return table(rows, header=header)
    titles = [columns[place].title for place in below]
    fits = (
        sum(widths[place] + GAP for place in beside)
        + sum(map(len, titles))
        + GAP * (len(titles) - 1)
        <= room
    )
    top = table([], header=True)
    for title in titles if fits else ():
        top.add_column(title, width=len(title), no_wrap=True)
    parts = (
        [top, *indented([Text(title, "bold") for title in titles if not fits])] if header else []
    )
    for row in rows:
        parts.append(table([row], header=False))
        parts += indented(
            [
                Text(row[place], columns[place].style(row[place]) or "")
                for place in below
                if row[place] != "-"
            ]
        )
    return Group(*parts)


def _longest(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [
        max(cell_len(column.title), *(cell_len(row[place]) for row in rows))
        for place, column in enumerate(columns)
    ]


def fit(columns: Sequence[Column], longest: Sequence[int], room: int) -> list[int]:
    """Return how wide each column becomes, 0 for one that goes below its row: of the spare ones,
    the longest first.

    Of those that may be cut, the widest is cut first.
    """
    widths = [0 if column.spare else width for column, width in zip(columns, longest, strict=True)]
    left = room - sum(width + GAP for width in widths if width) + GAP
    cut = [place for place, column in enumerate(columns) if not column.whole and not column.spare]
    while (
        left < 0
        and cut
        and widths[widest := max(cut, key=lambda place: (widths[place], place))] > LEAST
    ):
        widths[widest] -= 1
        left += 1
    wanted = {
        place: min(ROOMY, longest[place]) + GAP
        for place, column in enumerate(columns)
        if column.spare
    }
    while wanted and sum(wanted.values()) > left:
        del wanted[max(wanted, key=lambda place: longest[place])]
    while wanted:
        place = max(wanted)
        del wanted[place]
        widths[place] = min(longest[place], left - sum(wanted.values()) - GAP)
        left -= widths[place] + GAP
    return widths


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
    """Return a time for a list, in UTC to the second; on a terminal only what tells it apart."""
    if at is None:
        return "-"
    when = in_utc(at)
    if when is None:
        return "-"
    if not on_terminal():
        return when.strftime("%Y-%m-%dT%H:%M:%SZ")
    return when.strftime("%H:%M:%SZ" if when.date() == datetime.now(UTC).date() else "%Y-%m-%d")


def clock(at: float) -> str:
    """Return a time of day for a line of what happens now: UTC to the millisecond."""
    return write_time(at, "%H:%M:%S.%f")[:-3] or "-"


def utc(at: float) -> str:
    """Return a time to the second."""
    return write_time(at, "%Y-%m-%d %H:%M:%SZ")


def span(seconds: float | None) -> str:
    """Return how long something took: `0.31 s`, `42.0 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None or not seconds <= LATEST:
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


def run_link(delivery: Delivery) -> str | None:
    """Return the URL of a delivery's run, None where it leads to a page that this version does not
    serve.
    """
    return served_link(delivery.run_url)


def served_link(url: str | None) -> str | None:
    """Return the URL of a run, None where it leads to a page that this version does not serve."""
    return None if url is None or UNSERVED_PAGE in url else url
