"""Checks of the machine: its disk, its clock and its backups. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.core.advice import Advice, advise, name_command
from bridge.core.status import Overview
from bridge.ingest.ports import finishing_reserve, signed_reserve
from bridge.monitoring.checks.occurrence import SEE_LOG, Occurrence, format_clock

# a disk is low where less than both, a share and bytes, is free
MIN_FREE_SHARE = 0.05
MIN_FREE_BYTES = 1024**3
CLOCK_STEP_SECONDS: Final = 3600.0  # for which a step of the clock is reported
MAX_FUTURE_SECONDS: Final = 60.0  # that an event may lie ahead of now
MAX_DATABASE_SKEW_SECONDS: Final = 2.0
MAX_PLATFORM_SKEW_SECONDS: Final = 30.0
FREE_SPACE: Final = Advice("free some space, or use a larger disk")
SET_CLOCKS: Final = Advice("set the clocks: timedatectl")


def find_low_disk(now: Overview) -> Iterator[Occurrence]:
    """Report that the disk of the data folder is nearly full."""
    if (
        now.disk_free is not None
        and now.disk_total
        and now.disk_free < min(MIN_FREE_BYTES, MIN_FREE_SHARE * now.disk_total)
    ):
        yield Occurrence(
            f"the disk of {now.data} is nearly full: {now.disk_free // 1024**2} MB are free",
            FREE_SPACE,
        )


def find_full_disk(now: Overview) -> Iterator[Occurrence]:
    """Report that requests are refused because the disk has too little space."""
    if now.disk_free is None or not now.disk_total or now.is_shared:
        return
    if now.disk_free < finishing_reserve(now.disk_total):
        yield Occurrence(
            f"the disk of {now.data} is full: {now.disk_free // 1024**2} MB are free, and all new"
            " events are refused (503)",
            FREE_SPACE,
        )
    elif now.disk_free < signed_reserve(now.disk_total) and any(
        source.is_public and source.is_configured for source in now.sources
    ):
        yield Occurrence(
            f"the last {now.disk_free // 1024**2} MB of the disk of {now.data} are reserved for"
            " signed sources: forms are refused (507)",
            FREE_SPACE,
        )


def find_clock_skew(now: Overview) -> Iterator[Occurrence]:
    """Report clocks that differ, a clock that was set, and events from the future."""
    ahead = now.database_ahead
    if ahead is not None and abs(ahead) > MAX_DATABASE_SKEW_SECONDS:
        yield Occurrence(
            f"the database's clock is {abs(ahead):.1f} s {_side(ahead)} this machine's",
            SET_CLOCKS,
            "database",
        )
    for host, ahead in now.clocks_ahead.items():
        if abs(ahead) > MAX_PLATFORM_SKEW_SECONDS:
            yield Occurrence(
                f"the clock of {host} is {abs(ahead):.0f} s {_side(ahead)} this machine's",
                SET_CLOCKS,
                host,
            )
    step = now.clock_step
    if step is not None and abs(now.at - step.at) < CLOCK_STEP_SECONDS:
        way = "forward" if step.seconds > 0 else "back"
        yield Occurrence(
            f"the clock was set {way} by {abs(step.seconds):.0f} s at {format_clock(step.at)}",
            advise(
                "keep NTP running; ",
                name_command("deliveries", status="unknown"),
                " lists the deliveries that were held back for it",
            ),
            "step",
        )
    last = max(
        (source.last_at for source in now.sources if source.last_at is not None), default=0.0
    )
    if last > now.at + MAX_FUTURE_SECONDS:
        yield Occurrence(
            f"the newest event is {last - now.at:.0f} s ahead of this machine's clock",
            Advice("set the clock: timedatectl"),
            "events",
        )


def _side(ahead: float) -> str:
    return "ahead of" if ahead > 0 else "behind"


def find_missed_backups(now: Overview) -> Iterator[Occurrence]:
    """Report a backup that failed, or is overdue."""
    backups = now.backups
    if backups is None or not backups.are_missed(now.at):
        return
    newest = (
        "there is no backup yet"
        if backups.newest_at is None
        else f"the newest backup is {(now.at - backups.newest_at) / 3600:.0f} h old"
    )
    what = (
        newest if backups.error is None else f"the last backup failed ({newest}): {backups.error}"
    )
    yield Occurrence(what, advise(name_command("db backup"), f"; {SEE_LOG}"))
