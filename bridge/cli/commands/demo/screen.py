"""The output of the demo: a live table on a terminal, lines elsewhere, and what to try next."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any, Protocol

import click
import orjson

from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.services.events.delivery_states import describe_status

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.model import Delivery
    from bridge.services.demo_requests import DemoRequest

OVERRIDING_SETTINGS = (
    "FLOWBRIDGE_DATA",
    "FLOWBRIDGE_DATABASE_URL",
    "FLOWBRIDGE_BIND",
    "FLOWBRIDGE_PRIVATE_BIND",
    "FLOWBRIDGE_PUBLIC_URL",
)

COLUMNS = (
    Column("event", whole=True),
    Column(
        "received",
        style=lambda text: "green" if text.startswith("202 ") or text == "401 refused" else "red",
        whole=True,
    ),
    Column("route", whole=True),
    Column("run", style=output.find_colour, whole=True),
    Column("outputs"),
)


class Screen(Protocol):
    """The output of the demo."""

    def show(self, stories: Sequence[DemoRequest]) -> None:
        """Show the progress of each request."""

    def close(self, stories: Sequence[DemoRequest], seconds: float, *, well: bool) -> None:
        """Print the result."""


@contextmanager
def open_screen(settings: Settings, *, as_json: bool) -> Iterator[Screen]:
    """Yield the screen for a terminal, a pipe or JSON."""
    if as_json:
        yield Silent()
        return
    click.echo(f"flowbridge on {settings.bound_url} in {settings.config.parent}\n")
    if not output.on_terminal():
        yield Lines()
        return
    from rich.live import Live

    with Live(console=output.console(), refresh_per_second=20, auto_refresh=False) as live:
        yield Table(live)


class Silent:
    """No screen, for JSON: only a failure is shown, on stderr."""

    def show(self, stories: Sequence[DemoRequest]) -> None:
        """Show nothing."""

    def close(self, stories: Sequence[DemoRequest], seconds: float, *, well: bool) -> None:
        """Print what failed, if anything did."""
        if well:
            return
        lines = Lines(output.say)
        lines.show(stories)
        lines.close(stories, seconds, well=False)


class Lines:
    """A line for each change."""

    def __init__(self, write: Callable[[str], None] = output.answer) -> None:
        self._write = write
        self._said: set[str] = set()

    def show(self, stories: Sequence[DemoRequest]) -> None:
        """Print the lines that are new."""
        for story in stories:
            for line in self._lines(story):
                if line not in self._said:
                    self._said.add(line)
                    self._write(line)

    def _lines(self, story: DemoRequest) -> Iterator[str]:
        if story.answer is not None:
            yield f"{_name(story).ljust(24)}  {_received(story)}"
        for delivery in story.deliveries:
            yield (
                f"{_name(story).ljust(24)}  {delivery.route} → {delivery.flow}"
                f"  {describe_status(delivery)}  {_came_out(delivery)}".rstrip()
            )

    def close(self, stories: Sequence[DemoRequest], seconds: float, *, well: bool) -> None:
        """Print the summary."""
        self._write(_summary(stories, seconds, well=well))


class Table:
    """A live table."""

    def __init__(self, live: Any) -> None:
        self._live = live

    def show(self, stories: Sequence[DemoRequest]) -> None:
        """Draw the table."""
        rows = [
            _row(story, delivery) for story in stories for delivery in story.deliveries or (None,)
        ]
        self._live.update(tables.grid(COLUMNS, rows, self._live.console.width), refresh=True)

    def close(self, stories: Sequence[DemoRequest], seconds: float, *, well: bool) -> None:
        """Print the summary below the table."""
        self._live.stop()
        click.secho("\n" + _summary(stories, seconds, well=well), fg="green" if well else "red")


def _row(story: DemoRequest, delivery: Delivery | None) -> tuple[str, ...]:
    if delivery is not None:
        return (
            _name(story),
            _received(story),
            delivery.route,
            describe_status(delivery).rpartition(", ")[2],
            _came_out(delivery),
        )
    note = "nothing was started" if story.forged and story.is_well else ""
    return _name(story), _received(story), "-" if story.forged else "…", "-", note


def _name(story: DemoRequest) -> str:
    return f"{story.source} {'(forged)' if story.forged else story.type}"


def _received(story: DemoRequest) -> str:
    if story.answer is None:
        return "…"
    if story.forged:
        return f"{story.answer.status} {'refused' if story.is_well else 'not refused'}"
    return f"{story.answer.status} in {story.took:.0f} ms"


def _came_out(delivery: Delivery) -> str:
    if delivery.reason:
        return output.clean(delivery.reason)
    outputs = delivery.outputs if isinstance(delivery.outputs, dict) else {}
    return output.clean(
        ", ".join(
            f"{name}: {_short(value)}"
            for name, value in outputs.items()
            if value not in ("", [], None)
        )
    )


def _short(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _summary(stories: Sequence[DemoRequest], seconds: float, *, well: bool) -> str:
    runs = [delivery for story in stories for delivery in story.deliveries]
    done = sum(run.run_state == "done" for run in runs)
    if well:
        return (
            f"{len(runs)} events verified, stored and run in {seconds:.1f} s; the forged one was"
            " refused."
        )
    return (
        f"{done} of {len(runs)} runs are done after {seconds:.1f} s; something does not work as"
        " expected."
    )


# -- what to try


def instructions(settings: Settings, console_url: str | None) -> list[str]:
    """Return what to try while the demo stays up: few lines, so that the table stays on a screen of
    24. `console_url` logs in to the console.
    """
    url = settings.bound_url
    is_script = Path(sys.argv[0]).name == "flowbridge" and which("flowbridge") != sys.argv[0]
    command = sys.argv[0] if is_script else "flowbridge"
    unset = [f"  unset {name}" for name in OVERRIDING_SETTINGS if name in os.environ]
    browser = ["It stays up until Ctrl-C. All of it in a browser:", f"  {console_url}"]
    return [
        "",
        *(browser if console_url else ["It stays up until Ctrl-C."]),
        "It shows new events here. In another terminal, try:",
        f"  export FLOWBRIDGE_CONFIG={shlex.quote(str(settings.config))}",
        *unset,
        f"  {command} sample github --to                # signed: 202",
        f"  {command} sample github --to --tamper body  # forged: 401",
        f"  curl -sS {url}/hooks/contact -d name=Ada -d message=Hello \\",
        "    -H 'Accept: application/json'",
        f"  {command} show       # the newest event in full",
        f"  {command} rejects    # refused requests, and why",
        f"  {command} replay --source stripe",
        f"Your own project:  {command} init my-hooks",
        "",
    ]
