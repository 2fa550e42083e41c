"""An explanation of an event's routes on the screen: clauses, near misses and inputs."""

from __future__ import annotations

from typing import Final

import click

from bridge.cli.ui import output
from bridge.routing.explain.explanation import Rank
from bridge.routing.model import Mode
from bridge.services.explain.explanation_screen import (
    MAX_LINES,
    ClauseLine,
    ExplanationScreen,
    RouteScreen,
)

MAX_NAMES: Final = 10  # routes of other types
MIN_COLUMNS: Final = 40
PATH_SHARE: Final = 0.36  # of a line, for the path of a clause
TEST_SHARE: Final = 0.34  # of a line, for its operator and expected value
INDENT: Final = 2  # columns, for each level
#: The symbol of a result; null for a side of a comparison, which is a value.
SYMBOLS: Final[dict[bool | None, tuple[str, str | None]]] = {
    True: ("✓", "green"),
    False: ("✗", "red"),
    None: ("·", None),
}


def print_explanation(screen: ExplanationScreen) -> None:
    """Print what each route does with an event: those that match first, then the nearest."""
    _print_head(screen)
    routes = [route for route in screen.routes if route.rank < Rank.OTHER_TYPE]
    for route in routes:
        click.echo()
        _print_route(route)
    if len(routes) < len(screen.routes):
        click.echo()
    others = [route.route for route in screen.routes if route.rank is Rank.OTHER_TYPE]
    if others:
        left = len(others) - MAX_NAMES
        names = ", ".join([*others[:MAX_NAMES], *([f"and {left} more"] if left > 0 else [])])
        _say_below("other types", names)
    foreign = sum(route.rank is Rank.OTHER_SOURCE for route in screen.routes)
    if foreign:
        _say_below("other sources", output.number(foreign, "route"))
    if not screen.routes and screen.problem is None:
        output.line("routes", "none: routes.yaml has no routes", "yellow")


def _print_head(screen: ExplanationScreen) -> None:
    parts = [screen.source, screen.type or "(no type)", screen.received_at or ""]
    click.secho(output.clean(screen.name), bold=True)
    output.line("event", _cut("  ".join(parts), _width() - output.LABEL_COLUMNS))
    if screen.problem is not None:
        lead = "no route" if not screen.routes else "note"
        text = output.wrap_text(output.clean(screen.problem), output.LABEL_COLUMNS, _width())
        click.echo(click.style(lead.ljust(output.LABEL_COLUMNS), dim=True) + text)


def _print_route(route: RouteScreen) -> None:
    verdict, colour = _verdict(route)
    target = ", ".join(route.flows)
    mode = "" if route.mode == Mode.LIVE.value else f" ({route.mode})"
    head = f"{route.route}  "
    arrow = f" → {target}{mode}" if route.matches else mode
    room = max(_width() - len(head) - len(verdict), MIN_COLUMNS // 2)
    click.echo(
        click.style(output.clean(head), bold=True)
        + click.style(verdict, fg=colour)
        + output.clean(_cut(arrow, room))
    )
    if route.problem is not None:
        text = output.wrap_text(output.clean(route.problem), INDENT, _width())
        click.secho(" " * INDENT + text, fg="red")
    if route.matches:
        _print_inputs(route)
    else:
        _print_clauses(route)


def _verdict(route: RouteScreen) -> tuple[str, str]:
    if route.matches:
        return ("matches, but would be dead", "red") if route.problem else ("matches", "green")
    if route.problem is not None:
        return "cannot be evaluated, would be dead", "red"
    count = route.failed
    verb = "fails" if count == 1 else "fail"
    return f"no: {count} of {output.number(route.clauses, 'clause')} {verb}", "yellow"


def _print_clauses(route: RouteScreen) -> None:
    for line in route.lines:
        _print_line(line)
    _say_left_out(route.line_count)


def _print_line(line: ClauseLine) -> None:
    path = line.path
    margin = " " * (INDENT * (line.level + 1))
    symbol, colour = SYMBOLS[line.ok]
    room = max(_width() - len(margin) - 2, MIN_COLUMNS)
    first = int(room * PATH_SHARE)
    second = int(room * TEST_SHARE)
    widths = first, second, room - first - second - 4
    lead = f"{margin}{click.style(symbol, fg=colour)} "
    if len(path) > first and (line.test or line.found):  # the path has a line of its own
        click.echo(lead + _cut(output.clean(path), room))
        lead = margin + " " * 2
        path = ""
    click.echo(f"{lead}{_fit((path, line.test, line.found), widths)}".rstrip())
    below = margin + " " * 4
    for near_miss in line.near:
        click.echo(below + click.style(_cut(output.clean(near_miss), room - 4), fg="yellow"))
    if line.problem is not None:
        click.echo(below + output.wrap_text(output.clean(line.problem), len(below), _width()))


def _fit(cells: tuple[str, str, str], widths: tuple[int, int, int]) -> str:
    """Return three cells in columns. A long cell takes the room that the ones behind it leave."""
    clean = [output.clean(cell) for cell in cells]
    written = ""
    room = 0
    for number, (cell, width) in enumerate(zip(clean, widths, strict=True)):
        room += width
        free = room + sum(widths[number + 1 :]) if not any(clean[number + 1 :]) else room
        cut = _cut(cell, max(free - len(written), 1))
        written += cut if number == len(cells) - 1 else f"{cut.ljust(room - len(written))}  "
        room += 2
    return written.rstrip()


def _print_inputs(route: RouteScreen) -> None:
    longest = max(
        (len(output.clean(name)) for name, _ in route.inputs if name is not None), default=0
    )
    column = min(longest, _width() // 3)
    for name, value in route.inputs:
        if name is None:
            click.echo(" " * INDENT + _cut(output.clean(value), _width() - INDENT))
            continue
        lead = _cut(output.clean(name), column).ljust(column)
        text = _cut(output.clean(value), _width() - column - INDENT - 2)
        click.echo(" " * INDENT + click.style(lead, dim=True) + f"  {text}")
    _say_left_out(route.input_count)
    for omission in route.missing:
        text = _cut(output.clean(omission), _width() - INDENT)
        click.echo(" " * INDENT + click.style(text, fg="yellow"))


def _say_left_out(count: int) -> None:
    if count > MAX_LINES:
        click.echo(" " * INDENT + f"… {count - MAX_LINES} more: --json shows all")


def _say_below(lead: str, text: str) -> None:
    wrapped = output.wrap_text(output.clean(text), output.LABEL_COLUMNS, _width())
    click.echo(click.style(lead.ljust(output.LABEL_COLUMNS), dim=True) + wrapped)


def _width() -> int:
    return max(min(output.MAX_TEXT_COLUMNS, output.columns()), MIN_COLUMNS)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
