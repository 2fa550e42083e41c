"""The tables of status: processes, sources, platforms, the queue and runs."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.cli.ui import output
from bridge.cli.ui.tables import Column
from bridge.core.status import ROLE_NAMES, Overview, PlatformStatus

HASH_CHARS = 8  # characters of a hash that are shown
PROCESS_COLUMNS = (
    Column("process", whole=True),
    Column("pid", whole=True),
    Column("up", whole=True),
    Column("config", whole=True),
    Column("host", spare=True),
)
SOURCE_COLUMNS = (
    Column("source"),
    Column("last event", whole=True),
    Column("today", whole=True),
    Column("rejected today", whole=True),
)
PLATFORM_COLUMNS = (
    Column("platform"),
    Column("slots", whole=True),
    Column("calls", whole=True),
    Column("runs", whole=True),
    Column("circuit", whole=True, style=lambda text: None if text == "closed" else "red"),
    Column("capacity", whole=True, style=lambda text: None if text == "all" else "yellow"),
)
QUEUE_COLUMNS = (
    Column("route"),
    Column("queued", whole=True),
    Column("oldest", whole=True),
    Column("blocked", whole=True),
    Column("state", whole=True, style=lambda text: None if text == "live" else "yellow"),
)
RUN_COLUMNS = (
    Column("route"),
    Column("runs in 24 h", whole=True),
    Column("failed", whole=True, style=lambda text: None if text == "0" else "red"),
)


def status_tables(
    now: Overview,
) -> tuple[tuple[Sequence[Column], list[tuple[object, ...]]], ...]:
    """Return the tables of an overview: the columns and the rows of each."""
    return (
        (PROCESS_COLUMNS, _process_rows(now)),
        (SOURCE_COLUMNS, _source_rows(now)),
        (PLATFORM_COLUMNS, _platform_rows(now)),
        (QUEUE_COLUMNS, _queue_rows(now)),
        (RUN_COLUMNS, _run_rows(now)),
    )


def _process_rows(now: Overview) -> list[tuple[object, ...]]:
    return [
        (
            ROLE_NAMES.get(process.role, process.role),
            process.pid,
            _age(now.at - process.since),
            (process.config_hash or "-")[:HASH_CHARS],
            process.host,
        )
        for process in now.processes
    ]


def _source_rows(now: Overview) -> list[tuple[object, ...]]:
    more = "+" if now.today_cut else ""
    return [
        (
            source.name if source.is_configured else f"{source.name} (gone)",
            "none stored" if source.last_at is None else f"{_age(now.at - source.last_at)} ago",
            f"{source.today}{more}",
            source.rejected_today,
        )
        for source in now.sources
    ]


def _platform_rows(now: Overview) -> list[tuple[object, ...]]:
    return [
        (
            platform.name,
            f"{platform.calls + platform.runs} of {'?' if platform.cap is None else platform.cap}",
            platform.calls,
            platform.runs,
            platform.circuit.state(now.at).replace("_", " ") if platform.circuit else "closed",
            _fits(platform, now.at),
        )
        for platform in now.platforms
    ]


def _fits(platform: PlatformStatus, at: float) -> str:
    """Return how many runs the platform accepts, by its own answer, and until when."""
    if platform.fits is None or platform.full_until is None:
        return "all"
    return (
        f"{platform.fits} until {output.utc(platform.full_until)}"
        if platform.full_until > at
        else f"{platform.fits} or more"
    )


def _queue_rows(now: Overview) -> list[tuple[object, ...]]:
    rows = [
        (
            queue.route,
            format_count(queue.queued, now.counted_to),
            _age(now.at - queue.oldest_at),
            now.blocked.get(queue.route, 0),
            queue.state,
        )
        for queue in now.queue
    ]
    queued = {queue.route for queue in now.queue}
    return [
        *rows,
        *(
            (route, 0, "-", count, "in line")
            for route, count in sorted(now.blocked.items())
            if route not in queued
        ),
    ]


def _run_rows(now: Overview) -> list[tuple[object, ...]]:
    return [
        (route, counts.ended, counts.failed) for route, counts in sorted(now.runs_ended.items())
    ]


def format_count(number: int, counted_to: int) -> str:
    """Return a count, with a `+` where counting stopped at a limit."""
    return f"{number}+" if number >= counted_to else str(number)


def _age(seconds: float) -> str:
    """Return an age in its two largest units."""
    seconds = max(seconds, 0.0)
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    hours = int(seconds // 3600)
    days = int(seconds // 86400)
    if hours < 2:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 2 else f"{days} d {hours % 24} h"
