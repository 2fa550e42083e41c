"""Wait for a run of a platform to end, and compare its logs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.errors import BridgeError
from bridge.core.model import RUN_ENDED
from bridge.core.outcomes import RunReport
from bridge.services.platform_queries import platform_type, read_run, unsupported

if TYPE_CHECKING:
    from bridge.routing.model import Platform

MAX_FAILED_POLLS: Final = 10  # in a row, before the wait is given up


@dataclass(frozen=True, slots=True)
class RunPoll:
    """A way to poll a run. `name`: PLATFORM/RUN.

    `read` returns a new report, and `find_delay` the seconds to wait after so many polls.
    """

    name: str
    read: Callable[[], RunReport]
    find_delay: Callable[[int], float]


def poll_platform(platform: Platform, run_id: str) -> RunPoll:
    """Return how to poll a run of a platform. `BridgeError` where the platform has no runs."""
    polling = platform_type(platform).polling
    if polling is None:
        raise unsupported(platform, "runs to wait for")
    return RunPoll(f"{platform.name}/{run_id}", lambda: read_run(platform, run_id), polling.delay)


def wait_for_run(
    poll: RunPoll, see: Callable[[RunReport], object], max_poll_seconds: float
) -> RunReport:
    """Poll a run until it has ended, and return its last report. `see` gets every report.

    Raises `BridgeError` where the platform has lost the run, or does not answer.
    """
    polls = 0
    failed = 0
    while True:
        report = poll.read()
        see(report)
        if report.state in RUN_ENDED:
            return report
        failed = failed + 1 if report.state is None else 0
        if report.gone or failed >= MAX_FAILED_POLLS:
            raise BridgeError(f"run {poll.name}: {report.detail}")
        time.sleep(min(poll.find_delay(polls), max_poll_seconds))
        polls += 1


def new_log_lines(before: Sequence[str], now: Sequence[str]) -> tuple[Sequence[str], bool]:
    """Return the lines that a log has more than before, and whether lines between were missed.

    A platform may drop the first lines of a long log.
    """
    for start in range(len(before)):
        rest = before[start:]
        if tuple(now[: len(rest)]) == tuple(rest):
            return now[len(rest) :], False
    return now, bool(before)
