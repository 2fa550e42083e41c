"""The progress of a run: changes of its state, and lines of its log as they come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.cli.command_settings import command_timings
from bridge.cli.ui import output
from bridge.core.model import RUN_ENDED
from bridge.core.outcomes import RunReport
from bridge.services.run_waiting import RunPoll, new_log_lines, wait_for_run

if TYPE_CHECKING:
    from rich.console import RenderableType

INTERRUPTED = 130  # exit code after Ctrl-C, as a shell has it


Write = Callable[[str, str], None]  # a line and its style


@dataclass(slots=True)
class Watcher:
    """Writes the changes of a run, line by line. `last` is the last report with a state."""

    write: Write
    last: RunReport = field(default_factory=lambda: RunReport(state=None))
    began: float = field(default_factory=time.monotonic)
    _said: str = ""

    def show_report(self, report: RunReport) -> None:
        """Write the changes since the last report."""
        if report.state is None:
            self._tell(report.detail, "yellow")
            return
        lines, missed = new_log_lines(self.last.log, report.log)
        if report.state not in RUN_ENDED:
            self._tell(describe_state(report.state, report.raw_state))
        for line in [*(["…"] if missed else []), *lines]:
            self.write(f"              {line}", "")
        if report.state in RUN_ENDED:  # after the last lines of its log
            self._tell(describe_state(report.state, report.raw_state))
        self.last = report

    def _tell(self, text: str, style: str = "") -> None:
        if text != self._said:
            self._said = text
            self.write(
                f"{output.clock(time.time())}  {text}", style or output.find_colour(text) or ""
            )

    def footer(self) -> RenderableType:
        """Return the status line at the bottom of a terminal."""
        from rich.text import Text

        state = self.last.state.value if self.last.state else "…"
        took = output.span(time.monotonic() - self.began)
        return Text(f"{state}  {took}  (Ctrl-C stops waiting, not the run)", style="bright_black")


def describe_state(state: str | None, raw_state: str | None) -> str:
    """Return a run's state, with the platform's own word where it differs: `running
    (terminating)`.
    """
    if state is None:
        return "-"
    raw = (raw_state or "").lower()
    return state if raw in ("", state) else f"{state} ({raw})"


@contextmanager
def open_watcher() -> Iterator[Watcher]:
    """Yield a watcher that writes to stderr, on a terminal with a live status line."""
    if not sys.stderr.isatty():
        yield Watcher(lambda text, _: output.say(text))
        return
    from rich.live import Live

    screen = output.console(err=True)
    watcher = Watcher(
        lambda text, style: screen.print(output.clean(text), style=style or None, soft_wrap=True)
    )
    with Live(
        get_renderable=watcher.footer,
        console=screen,
        transient=True,
        refresh_per_second=8,
        redirect_stdout=False,
    ):
        yield watcher


def follow_run(poll: RunPoll, parting: str, *, quiet: bool) -> tuple[RunReport, bool]:
    """Wait for a run, and return its last report and whether Ctrl-C ended the wait.

    `parting` is printed after Ctrl-C.
    """
    watcher = Watcher(lambda *_: None)
    try:
        with nullcontext(watcher) if quiet else open_watcher() as watcher:
            most = command_timings().run_poll_max_seconds  # someone is watching
            return wait_for_run(poll, watcher.show_report, most), False
    except KeyboardInterrupt:
        output.say(parting)
        return watcher.last, True
