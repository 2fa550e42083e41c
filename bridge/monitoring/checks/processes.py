"""Checks of the processes of a bridge. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.core.advice import advise, name_command
from bridge.core.status import Overview
from bridge.monitoring.checks.occurrence import SEE_LOG, Occurrence

STARTUP_SECONDS: Final = 5.0  # in which the processes of a command come up


def find_nothing_running(now: Overview) -> Iterator[Occurrence]:
    """Report that no process runs."""
    if not now.processes:
        yield Occurrence(
            "nothing runs: no event is received or delivered",
            advise(name_command("serve"), f", {SEE_LOG}"),
        )


def find_no_worker(now: Overview) -> Iterator[Occurrence]:
    """Report that receivers run, but no worker."""
    if _lacks(now, "work"):
        yield Occurrence(
            "no worker is running: events are stored, but not delivered",
            advise(name_command("work"), f", {SEE_LOG}"),
        )


def find_no_receiver(now: Overview) -> Iterator[Occurrence]:
    """Report that workers run, but no receiver; with PostgreSQL it may run on another machine."""
    if not now.is_shared and _lacks(now, "web"):
        yield Occurrence(
            "no receiver is running: senders get no answer",
            advise(name_command("web"), f", {SEE_LOG}"),
        )


def _lacks(now: Overview, role: str) -> bool:
    """Return whether others run, but none in this role, and none is about to start."""
    is_starting = any(
        process.role == "reload" and now.at - process.since < STARTUP_SECONDS
        for process in now.processes
    )
    return (
        bool(now.processes)
        and not is_starting
        and all(process.role != role for process in now.processes)
    )
