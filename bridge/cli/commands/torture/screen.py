"""Show the progress on stderr: a live line on a terminal, otherwise a line every 15 seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bridge.cli.ui import output

if TYPE_CHECKING:
    from bridge.torture.environment import Progress
    from bridge.torture.plan import Plan

REDRAW_SECONDS = 0.25  # on a terminal
LINE_SECONDS = 15.0  # elsewhere


@contextmanager
def show_progress(plan: Plan) -> Iterator[Callable[[Progress], None]]:
    """Print the plan, and yield the function that shows the progress."""
    where = (
        f"{plan.nodes} x web and work on a separate schema in PostgreSQL"
        if plan.database_url
        else "serve on SQLite"
    )
    output.say(
        f"flowbridge torture, seed {plan.seed}: {where}, for {plan.minutes:g} minutes at most"
    )
    output.say(
        "It kills only processes that it has started, listens on this machine only, and removes"
        " what it has created."
    )
    if not sys.stderr.isatty():
        yield _Lines().show
        return
    from rich.live import Live

    with Live(console=output.console(err=True), auto_refresh=False, transient=True) as live:
        last = 0.0

        def show(progress: Progress) -> None:
            nonlocal last
            if time.monotonic() - last > REDRAW_SECONDS:
                last = time.monotonic()
                live.update(describe_progress(progress), refresh=True)

        yield show


class _Lines:
    """Prints a line when the phase changes, and every `LINE_SECONDS`."""

    def __init__(self) -> None:
        self._phase = ""
        self._at = 0.0

    def show(self, progress: Progress) -> None:
        """Print a line if one is due."""
        if progress.phase != self._phase or time.monotonic() - self._at > LINE_SECONDS:
            self._phase = progress.phase
            self._at = time.monotonic()
            output.say(describe_progress(progress))


def describe_progress(progress: Progress) -> str:
    """Return the progress on one line."""
    moving = "?" if progress.in_progress is None else progress.in_progress
    events = (
        f"{progress.sent} events, {progress.acknowledged} acknowledged, {progress.refused} refusals"
    )
    when = f"{progress.phase:<5}  {progress.seconds:4.0f} of {progress.of:.0f} s"
    work = f"{moving} in progress, {progress.kills} kills"
    return f"{when}  {events}, {work}  {progress.current_fault}".rstrip()
