"""Wait for a run to end, and show changes of its state, and lines of its log as they come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.cli.command_settings import command_timings
from bridge.cli.ui import output
from bridge.core.errors import BridgeError
from bridge.core.model import RUN_ENDED
from bridge.core.status import RunReport

if TYPE_CHECKING:
    from rich.console import RenderableType

INTERRUPTED = 130  # exit code after Ctrl-C, as a shell has it
MAX_FAILED_POLLS = 10  # in a row, before the wait is given up
FIRST_POLL_SECONDS = 0.1  # between the first two polls; each pause is twice the last

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


def follow_run(
    name: str, read: Callable[[], RunReport], parting: str, *, quiet: bool
) -> tuple[RunReport, bool]:
    """Wait for a run, and return its last report and whether Ctrl-C ended the wait.

    `name`: PLATFORM/RUN. `read` returns a new report. `parting` is printed after Ctrl-C.
    """
    watcher = Watcher(lambda *_: None)
    try:
        with nullcontext(watcher) if quiet else open_watcher() as watcher:
            return _wait_for_run(name, read, watcher.show_report), False
    except KeyboardInterrupt:
        output.say(parting)
        return watcher.last, True


def _wait_for_run(
    name: str, read: Callable[[], RunReport], show: Callable[[RunReport], None]
) -> RunReport:
    """Poll a run until it has ended, and return its last report.

    Raises `BridgeError` where the platform has lost the run, or does not answer.
    """
    pause = FIRST_POLL_SECONDS
    failed = 0
    while True:
        report = read()
        show(report)
        if report.state in RUN_ENDED:
            return report
        failed = failed + 1 if report.state is None else 0
        if report.gone or failed >= MAX_FAILED_POLLS:
            raise BridgeError(f"run {name}: {report.detail}")
        pause = min(pause, command_timings().run_poll_max_seconds)
        time.sleep(pause)
        pause *= 2


def new_log_lines(before: Sequence[str], now: Sequence[str]) -> tuple[Sequence[str], bool]:
    """Return the lines that a log has more than before, and whether lines between were missed.

    A platform may drop the first lines of a long log.
    """
    for start in range(len(before)):
        rest = before[start:]
        if tuple(now[: len(rest)]) == tuple(rest):
            return now[len(rest) :], False
    return now, bool(before)
