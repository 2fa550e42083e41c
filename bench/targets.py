"""The performance targets of the project, and the table of what was measured against them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MAX_NOTE_CHARACTERS = 160
HEADINGS = ("what", "flowbridge", "yardstick", "ratio", "bar", "goal", "result")
NUMBERS = frozenset({"flowbridge", "yardstick", "ratio", "bar", "goal"})  # to the right
# of `import flask`, measured by start.py: the goals are half of these
READY_IN_020 = 7.0
COMMAND_IN_020 = 4.5


@dataclass(frozen=True)
class Target:
    """One figure: the bar that it must hold, and the goal. It is a ratio, if it has no unit."""

    name: str
    bar: float | None = None
    goal: float | None = None
    is_floor: bool = True  # a figure of at least the bar holds it, else one of at most the bar
    unit: str = ""

    def holds(self, figure: float, limit: float) -> bool:
        """Return whether a figure is as good as a limit."""
        return figure >= limit if self.is_floor else figure <= limit

    def judge(self, figure: float) -> str:
        """Return what a figure means for the bar and the goal."""
        if self.goal is not None and self.holds(figure, self.goal):
            return "goal reached"
        if self.bar is not None:
            return "bar held" if self.holds(figure, self.bar) else "bar missed"
        return "" if self.goal is None else "goal missed"

    def show(self, figure: float | None) -> str:
        """Return a figure, the bar or the goal as text."""
        if figure is None:
            return ""
        return f"{figure:.0f} {self.unit}" if self.unit else f"{figure:.2f}"


@dataclass(frozen=True)
class Row:
    """What was measured for a target; without a figure, `note` says why."""

    target: Target
    figure: float | None = None
    ours: str = ""
    yardstick: str = ""
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the cells in the order of the headings."""
        verdict = "" if self.figure is None else self.target.judge(self.figure)
        note = " ".join(self.note.replace("|", "/").split())[:MAX_NOTE_CHARACTERS]
        return (
            self.target.name,
            self.ours,
            self.yardstick,
            self.target.show(self.figure),
            self.target.show(self.target.bar),
            self.target.show(self.target.goal),
            "; ".join(filter(None, (verdict, note))),
        )


INGEST = Target("durable ingest / bare Flask on gthread 2x16", 0.50, 0.65)
ACKNOWLEDGEMENT = Target("p99 of the acknowledgement / bare's", 1.2, 0.7, is_floor=False)
NODE_RED = Target("end to end / Node-RED, which stores nothing", 1.6, 2.5)
WEBHOOK = Target("end to end / adnanh/webhook and curl, which store nothing")
N8N = Target("end to end / n8n on SQLite")
SLOW = Target(
    "good requests beside 1,000 slow connections from 100 networks: p99 / without",
    2.0,
    1.2,
    is_floor=False,
)
MEMORY = Target("`serve` at rest: proportional set size", 118, 100, is_floor=False, unit="MB")
READY = Target(
    "`serve`: start to ready / `python -c 'import flask'`", goal=READY_IN_020 / 2, is_floor=False
)
COMMAND = Target(
    "`flowbridge events --limit 1` / the same", goal=COMMAND_IN_020 / 2, is_floor=False
)
POSTGRESQL_INGEST = Target("ingest on PostgreSQL on the same machine / SQLite", 0.7, 1.0)
POSTGRESQL_DELIVER = Target("end to end on PostgreSQL on the same machine / SQLite", 0.7, 1.0)
SCALE = {
    count: Target(f"end to end, {count} receivers and workers on PostgreSQL / 1 of each")
    for count in (2, 4, 8)
}
BEND = Target("where more receivers and workers stop to help")


def write_table(rows: Iterable[Row]) -> str:
    """Return rows as a table of Markdown that reads well as plain text."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    is_right = [heading in NUMBERS for heading in HEADINGS]
    rule = tuple(
        "-" * (width - 1) + ":" if right else "-" * width
        for width, right in zip(widths, is_right, strict=True)
    )
    columns = list(zip(widths, is_right, strict=True))
    return "\n".join(_write_line(line, columns) for line in (lines[0], rule, *lines[1:]))


def _write_line(cells: Iterable[str], columns: Iterable[tuple[int, bool]]) -> str:
    aligned = (
        cell.rjust(width) if right else cell.ljust(width)
        for cell, (width, right) in zip(cells, columns, strict=True)
    )
    return f"| {' | '.join(aligned)} |"
