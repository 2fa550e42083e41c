"""Tables of lists: columns that fit the terminal, aligned text elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from bridge.cli.ui.output import clean, console, on_terminal, short_id

if TYPE_CHECKING:
    from rich.console import RenderableType


CHUNK_ROWS = 200  # whose widths are measured before the first is printed
MAX_CELL_CHARS = 60  # to which cells are padded in plain text
COLUMN_GAP = 2  # characters between the columns
ARROW = " → "  # between a route and the flow it starts
MIN_CUT_COLUMNS = 10  # of a column that is cut
# of a spare column; with less room its text goes below the row
MIN_WRAP_COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a list. `style` returns the colour of a cell.

    On a terminal a `whole` column is never cut, and a `spare` one is wrapped into the room that the
    others leave, or printed below the row. Where not everything fits, `short` returns a shorter
    text for a cell, and an `optional` column without room or text is left out. `cut` cuts a cell to
    a width, by default at its end. A `main` column is wrapped rather than cut, and the others are
    cut before it is narrow.
    """

    title: str
    style: Callable[[str], str | None] = lambda _: None
    whole: bool = False
    spare: bool = False
    short: Callable[[str], str] | None = None
    optional: bool = False
    cut: Callable[[str, int], str] | None = None
    main: bool = False


def cut_route(text: str, width: int) -> str:
    """Cut `ROUTE → FLOW` at the route: the flow tells the deliveries of one route apart."""
    route, arrow, flow = text.partition(ARROW)
    if not arrow:
        return text
    some = route[: max(width - len(arrow) - len(flow) - 1, 1)]
    forms = text, f"{some}…{arrow}{flow}", f"{arrow.lstrip()}{flow}", flow
    return next((form for form in forms if len(form) <= width), f"…{flow[1 - width :]}")


ID_COLUMN = Column("id", whole=True, short=short_id)


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> int:
    """Print rows as they come, and return their count.

    The output is a table on a terminal, and aligned text with two spaces between columns elsewhere.
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
        yield list(chain((first,), islice(cells, CHUNK_ROWS - 1)))


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    return [
        min(MAX_CELL_CHARS, max(len(column.title), *(len(row[place]) for row in rows)))
        for place, column in enumerate(columns)
    ]


def _plain(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def grid(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int, *, header: bool = True
) -> RenderableType:
    """Return rows as a table for a terminal that is `room` characters wide."""
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
    widths = fit_columns(columns, longest, room)
    if any(
        width < length
        for column, width, length in zip(columns, widths, longest, strict=True)
        if not (column.spare and width)
    ) or (sum(widths) + COLUMN_GAP * (len(widths) - 1) > room):
        rows = [
            [
                column.short(cell) if column.short else cell
                for column, cell in zip(columns, row, strict=True)
            ]
            for row in rows
        ]
        widths = fit_columns(columns, _longest(columns, rows), room)
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
            padding=(0, COLUMN_GAP, 0, 0),
        )
        for place in beside:
            wraps = columns[place].spare or columns[place].main
            made.add_column(
                columns[place].title,
                width=widths[place],
                no_wrap=not wraps,
                overflow="fold" if wraps else "ellipsis",
            )
        for row in some:
            made.add_row(
                *(
                    Text(cell(row, place), style=columns[place].style(row[place]) or "")
                    for place in beside
                )
            )
        return made

    def indented(texts: Sequence[Text]) -> list[RenderableType]:
        return [Padding(Text("  ").join(texts), (0, 0, 0, COLUMN_GAP))] if texts else []

    if not below:
        return table(rows, header=header)
    titles = [columns[place].title for place in below]
    fits = (
        sum(widths[place] + COLUMN_GAP for place in beside)
        + sum(map(len, titles))
        + COLUMN_GAP * (len(titles) - 1)
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


def fit_columns(columns: Sequence[Column], longest: Sequence[int], room: int) -> list[int]:
    """Return the width of each column; 0 where it goes below its row.

    The widest column is cut first, and the longest spare column goes below first.
    """
    widths = [
        0 if column.spare else min(width, MIN_WRAP_COLUMNS) if column.main else width
        for column, width in zip(columns, longest, strict=True)
    ]
    left = room - sum(width + COLUMN_GAP for width in widths if width) + COLUMN_GAP
    places = range(len(columns))
    main = [place for place in places if columns[place].main]
    cut = [
        place
        for place in places
        if not (columns[place].whole or columns[place].spare or columns[place].main)
    ]
    for narrowed in (cut, main):
        while (
            left < 0
            and narrowed
            and widths[widest := max(narrowed, key=lambda place: (widths[place], place))]
            > MIN_CUT_COLUMNS
        ):
            widths[widest] -= 1
            left += 1
    for place in main:
        added = max(min(left, longest[place] - widths[place]), 0)
        widths[place] += added
        left -= added
    spare_widths = {
        place: min(MIN_WRAP_COLUMNS, longest[place]) + COLUMN_GAP
        for place, column in enumerate(columns)
        if column.spare
    }
    while spare_widths and sum(spare_widths.values()) > left:
        del spare_widths[max(spare_widths, key=lambda place: longest[place])]
    while spare_widths:
        place = max(spare_widths)
        del spare_widths[place]
        widths[place] = min(longest[place], left - sum(spare_widths.values()) - COLUMN_GAP)
        left -= widths[place] + COLUMN_GAP
    return widths
