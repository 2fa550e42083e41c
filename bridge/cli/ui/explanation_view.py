"""An explanation of an event's routes on the screen: clauses, near misses and inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click
import orjson

from bridge.cli.ui import output
from bridge.core.model import JSON
from bridge.core.times import iso
from bridge.routing.explain.clause_tree import GROUPS, TYPE_PATH
from bridge.routing.explain.explanation import Rank
from bridge.routing.model import Mode

if TYPE_CHECKING:
    from bridge.routing.explain.clause_tree import ClauseExplanation, PartExplanation
    from bridge.routing.explain.explanation import RouteExplanation
    from bridge.routing.explain.near_paths import NearMiss
    from bridge.services.explanations import EventExplanation

MAX_LINES: Final = 40  # clauses of one route, and inputs of one route
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

#: The level of nesting, the result, the cells of a line, its near misses and its problem.
_Line = tuple[int, "bool | None", tuple[str, str, str], "tuple[NearMiss, ...]", "str | None"]


def print_explanation(one: EventExplanation) -> None:
    """Print what each route does with an event: those that match first, then the nearest."""
    _print_head(one)
    shown = [route for route in one.routes if route.rank < Rank.OTHER_TYPE]
    for route in shown:
        click.echo()
        _print_route(route)
    if len(shown) < len(one.routes):
        click.echo()
    others = [route.route for route in one.routes if route.rank is Rank.OTHER_TYPE]
    if others:
        left = len(others) - MAX_NAMES
        names = ", ".join([*others[:MAX_NAMES], *([f"and {left} more"] if left > 0 else [])])
        _say_below("other types", names)
    foreign = sum(route.rank is Rank.OTHER_SOURCE for route in one.routes)
    if foreign:
        _say_below("other sources", output.number(foreign, "route"))
    if not one.routes and one.problem is None:
        output.line("routes", "none: routes.yaml has no routes", "yellow")


def _print_head(one: EventExplanation) -> None:
    event = one.event
    name = one.event_id or one.reject_id or "not stored"
    parts = [event.source, event.type or "(no type)", iso(event.received_at) or ""]
    click.secho(output.clean(name), bold=True)
    output.line("event", _cut("  ".join(parts), _width() - output.LABEL_COLUMNS))
    if one.problem is not None:
        lead = "no route" if not one.routes else "note"
        text = output.wrap_text(output.clean(one.problem), output.LABEL_COLUMNS, _width())
        click.echo(click.style(lead.ljust(output.LABEL_COLUMNS), dim=True) + text)


def _print_route(route: RouteExplanation) -> None:
    verdict, colour = _verdict(route)
    target = ", ".join(route.flows)
    mode = "" if route.mode is Mode.LIVE else f" ({route.mode.value})"
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
        _print_clauses(route.clauses)


def _verdict(route: RouteExplanation) -> tuple[str, str]:
    if route.matches:
        return ("matches, but would be dead", "red") if route.problem else ("matches", "green")
    if route.problem is not None:
        return "cannot be evaluated, would be dead", "red"
    count = len(route.failed)
    verb = "fails" if count == 1 else "fail"
    return f"no: {count} of {output.number(len(route.clauses), 'clause')} {verb}", "yellow"


def _print_clauses(clauses: Sequence[ClauseExplanation]) -> None:
    lines = [line for clause in clauses for line in _lines(clause, 0)]
    for line in lines[:MAX_LINES]:
        _print_line(line)
    _say_left_out(len(lines))


def _lines(clause: ClauseExplanation, level: int) -> Iterator[_Line]:
    if clause.operator in GROUPS:
        yield level, clause.ok, (clause.operator, "", ""), (), None
        for inner in clause.clauses:
            yield from _lines(inner, level + 1)
        return
    if clause.operator == "when":
        yield level, clause.ok, ("when", str(clause.expected), ""), (), None
        is_joined = clause.tree is None or _is_joined(clause.tree)
        for part in clause.parts:
            yield from _part_lines(part, level + 1, is_side=not is_joined)
        return
    path = "type" if clause.path == TYPE_PATH else str(clause.path)
    found = _write(clause.found)
    yield level, clause.ok, (path, _test(clause), found), clause.near, None


def _part_lines(part: PartExplanation, level: int, *, is_side: bool = False) -> Iterator[_Line]:
    """Yield the line of a part and, below it, those of its own parts, without literals.

    `is_side`: a value stands beside another one, so it is neither true nor false.
    """
    one = part.part
    if one.is_literal:
        return
    ok = None if is_side and one.operator is None else one.ok
    yield level, ok, (one.text, "", _write(one.found)), part.near, one.problem
    for inner in part.parts:
        yield from _part_lines(inner, level + 1, is_side=not _is_joined(part))


def _is_joined(part: PartExplanation) -> bool:
    """Return whether the parts of a part are conditions: those of `&&`, `||` and `!`, or itself."""
    return not part.parts or part.part.operator in ("&&", "||", "!")


def _test(clause: ClauseExplanation) -> str:
    if clause.operator == "exists":
        return "exists" if clause.expected else "does not exist"
    if isinstance(clause.expected, list):
        values = ", ".join(map(_write_plain, clause.expected))
        return f"{clause.operator} [{values}]"
    return f"{clause.operator} {_write_plain(clause.expected)}"


def _print_line(line: _Line) -> None:
    level, ok, (path, test, found), near, problem = line
    margin = " " * (INDENT * (level + 1))
    symbol, colour = SYMBOLS[ok]
    room = max(_width() - len(margin) - 2, MIN_COLUMNS)
    first = int(room * PATH_SHARE)
    second = int(room * TEST_SHARE)
    widths = first, second, room - first - second - 4
    lead = f"{margin}{click.style(symbol, fg=colour)} "
    if len(path) > first and (test or found):  # the path has a line of its own
        click.echo(lead + _cut(output.clean(path), room))
        lead = margin + " " * 2
        path = ""
    click.echo(f"{lead}{_fit((path, test, found), widths)}".rstrip())
    below = margin + " " * 4
    for one in near:
        note = f" ({one.note})" if one.note else ""
        text = one.value if one.is_path else _write(one.value)
        cut = _cut(output.clean(f"near: {text}{note}"), room - 4)
        click.echo(below + click.style(cut, fg="yellow"))
    if problem is not None:
        click.echo(below + output.wrap_text(output.clean(problem), len(below), _width()))


def _fit(cells: tuple[str, str, str], widths: tuple[int, int, int]) -> str:
    """Return three cells in columns. A long cell takes the room that the ones behind it leave."""
    clean = [output.clean(one) for one in cells]
    written = ""
    room = 0
    for number, (cell, width) in enumerate(zip(clean, widths, strict=True)):
        room += width
        free = room + sum(widths[number + 1 :]) if not any(clean[number + 1 :]) else room
        cut = _cut(cell, max(free - len(written), 1))
        written += cut if number == len(cells) - 1 else f"{cut.ljust(room - len(written))}  "
        room += 2
    return written.rstrip()


def _print_inputs(route: RouteExplanation) -> None:
    inputs = route.inputs
    if isinstance(inputs, dict) and inputs:
        pairs = list(inputs.items())
        longest = max(len(output.clean(name)) for name, _ in pairs[:MAX_LINES])
        column = min(longest, _width() // 3)
        for name, value in pairs[:MAX_LINES]:
            lead = _cut(output.clean(name), column).ljust(column)
            text = _cut(output.clean(_write(value)), _width() - column - INDENT - 2)
            click.echo(" " * INDENT + click.style(lead, dim=True) + f"  {text}")
        _say_left_out(len(pairs))
    elif inputs is not None:
        click.echo(" " * INDENT + _cut(output.clean(_write(inputs)), _width() - INDENT))
    for one in route.missing[:MAX_LINES]:
        near = f"; near: {', '.join(str(each.value) for each in one.near)}" if one.near else ""
        lead = f"{one.input}: " if one.input else ""
        text = _cut(output.clean(f"{lead}{one.path} has no value{near}"), _width() - INDENT)
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


def _write(value: JSON) -> str:
    """Return a value as JSON; null as `nothing`, since a missing value counts as null."""
    if value is None:
        return "nothing"
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return "a value that JSON cannot hold"


def _write_plain(value: JSON) -> str:
    """Return an expected value as routes.yaml writes it: a plain word without quotes."""
    is_plain = isinstance(value, str) and value.replace("_", "").replace("-", "").isalpha()
    return str(value) if is_plain else _write(value)
