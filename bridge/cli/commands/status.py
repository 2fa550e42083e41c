"""status: one screen that says how everything is, for people and for monitors."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from bridge.cli.options import AS_JSON, settings_of
from bridge.cli.ui import output
from bridge.cli.ui.output import Column
from bridge.cli.ui.refusals_view import print_refusals, print_spam
from bridge.config.settings import BACKUPS
from bridge.core.status import Backups, Certificate, Overdue, Overview, PlatformNow
from bridge.monitoring.conditions import Trouble, notes
from bridge.services.status_report import StatusReport, read_status
from bridge.services.store_access import open_store

WIDTH = 80  # columns
HASH = 8  # characters of a hash that are shown
UNITS = ("kB", "MB", "GB", "TB")


@click.command()
@AS_JSON
@click.pass_obj
def status(config: str | None, /, as_json: bool) -> None:
    """Show on one screen what runs, what came in, what waits, and what wants attention, each with
    what to do.

    It asks the store and the bridges of this machine; nothing has to run for it. Exit code 0: all
    is well. 1: something wants attention. A delivery that died wants it for a day, or until it is
    replayed.

    \b
    flowbridge status
    flowbridge status --json | jq -r '.problems[] | "\\(.what): \\(.do)"'
    """
    settings = settings_of(config)
    with open_store(settings) as database:
        report = read_status(settings, database)
    if as_json:
        output.json_line(report.as_json())
    else:
        _print(report, str(settings.config))
    sys.exit(1 if report.found else 0)


def _print(report: StatusReport, file: str) -> None:
    now = report.overview
    click.secho(f"flowbridge {now.version}", bold=True, nl=False)
    click.echo(f" on Python {report.python}, {output.clean(report.store)}; {output.utc(now.at)}")
    _verdict(now, report.found)
    click.echo()
    _facts(now, file)
    for columns, rows in (
        (PROCESSES, _processes(now)),
        (SOURCES, _sources(now)),
        (PLATFORMS, _platforms(now)),
        (QUEUE, _queue(now)),
        (RUNS, _runs(now)),
    ):
        if rows:
            click.echo()
            output.print_table(columns, rows)
    print_refusals(now.sources)
    print_spam(now.sources)


def _verdict(now: Overview, found: Sequence[Trouble]) -> None:
    if not found:
        click.secho("All is well.", fg="green")
    else:
        click.secho(
            f"{len(found)} {'thing wants' if len(found) == 1 else 'things want'} attention:",
            fg="red",
        )
    for one in found:
        click.echo(click.style("! ", fg="red") + _wrap(one.what, 2))
        click.echo(click.style(f"  -> {_wrap(one.do, 5)}", dim=True))
    for text in notes(now):
        click.echo(f"note: {_wrap(text, 6)}")


def _wrap(text: str, indent: int) -> str:
    return output.wrap_text(output.clean(text), indent, WIDTH)


def _facts(now: Overview, file: str) -> None:
    config = now.config
    output.line("routes", file)
    used = f"{config.hash[:HASH]}, " if config.hash else ""
    output.line(
        "config",
        used
        + (f"used since {output.utc(config.since)}" if config.since else "nothing runs with it"),
    )
    if config.error_since:
        output.line("wrong", f"since {output.utc(config.error_since)}", "red")
    output.line(
        "dead",
        f"{_count(now.dead, now)} ({_count(now.dead_today, now)} in 24 h)",
        "red" if now.dead_today else None,
    )
    _unknown(now)
    if now.overdue != Overdue():
        late = now.overdue
        calls = output.number(late.leases, "call")
        looks = output.number(late.looks, "look at a run", "looks at runs")
        output.line(
            "overdue",
            f"{calls}, {looks}, {output.number(late.ahead, 'time')} too far ahead",
            "yellow",
        )
    free = (
        ""
        if now.disk_free is None or now.disk_total is None
        else f", {_size(now.disk_free)} of {_size(now.disk_total)} free"
    )
    output.line("data", now.data)
    output.line("disk", f"database {_size(now.database_size)}{free}")
    if now.backups is not None:
        output.line(
            "backup", _backup(now.backups), "red" if now.backups.are_missed(now.at) else None
        )
    if now.certificate is not None:
        output.line("certificate", _certificate(now.certificate))
    if now.database_ahead is not None:
        output.line(
            "clock",
            f"the database's is {abs(now.database_ahead):.2f} s"
            f" {'ahead' if now.database_ahead > 0 else 'behind'}",
        )


def _unknown(now: Overview) -> None:
    """Print how many have an unknown outcome, and what keeps flowbridge from settling those that
    need no decision.
    """
    text = (
        f"{_count(now.unknown, now)} ({_count(now.held, now)}"
        f" {'needs' if now.held == 1 else 'need'} a decision)"
    )
    output.line("unknown", text, "yellow" if now.held or now.stuck else None)
    for one in now.stuck:
        one_does, many_do = (
            ("needs a decision", "need a decision") if one.needs_decision else ("waits", "wait")
        )
        does = one_does if one.count == 1 else many_do
        text = f"{_count(one.count, now)} {does}: {output.clean(one.problem)}"
        for line in output.wrap_text(text, width=WIDTH - output.NAME).split("\n"):
            output.line("", line, "yellow")


def _backup(one: Backups) -> str:
    often = next(word for word, every in BACKUPS.items() if every == one.every)
    newest = None if one.newest_at is None else f"newest {output.utc(one.newest_at)}"
    if one.every is None:
        return f"{often}, {newest}" if newest else often
    return f"{often}, {newest or 'none yet'}"


def _certificate(one: Certificate) -> str:
    ends = "not seen" if one.ends_at is None else f"ends {output.utc(one.ends_at)}"
    return f"of {one.host}, {ends}" + (
        f"; {one.unreached} at {output.utc(one.looked_at)}" if one.unreached else ""
    )


# a process's role -> the word for it in the table
ROLES = {"reload": "config", "web": "receiver", "work": "worker"}
PROCESSES = (
    Column("process", whole=True),
    Column("pid", whole=True),
    Column("up", whole=True),
    Column("config", whole=True),
    Column("host", spare=True),
)
SOURCES = (
    Column("source"),
    Column("last event", whole=True),
    Column("today", whole=True),
    Column("rejected today", whole=True),
)
PLATFORMS = (
    Column("platform"),
    Column("slots", whole=True),
    Column("calls", whole=True),
    Column("runs", whole=True),
    Column("circuit", whole=True, style=lambda text: None if text == "closed" else "red"),
    Column("capacity", whole=True, style=lambda text: None if text == "all" else "yellow"),
)
QUEUE = (
    Column("route"),
    Column("queued", whole=True),
    Column("oldest", whole=True),
    Column("blocked", whole=True),
    Column("state", whole=True, style=lambda text: None if text == "live" else "yellow"),
)
RUNS = (
    Column("route"),
    Column("runs in 24 h", whole=True),
    Column("failed", whole=True, style=lambda text: None if text == "0" else "red"),
)


def _processes(now: Overview) -> list[tuple[object, ...]]:
    return [
        (
            ROLES.get(one.role, one.role),
            one.pid,
            _age(now.at - one.since),
            (one.config_hash or "-")[:HASH],
            one.host,
        )
        for one in now.processes
    ]


def _sources(now: Overview) -> list[tuple[object, ...]]:
    more = "+" if now.today_cut else ""
    return [
        (
            one.name if one.is_configured else f"{one.name} (gone)",
            "none kept" if one.last_at is None else f"{_age(now.at - one.last_at)} ago",
            f"{one.today}{more}",
            one.rejected_today,
        )
        for one in now.sources
    ]


def _platforms(now: Overview) -> list[tuple[object, ...]]:
    return [
        (
            one.name,
            f"{one.calls + one.runs} of {'?' if one.cap is None else one.cap}",
            one.calls,
            one.runs,
            one.circuit.state(now.at).replace("_", " ") if one.circuit else "closed",
            _fits(one, now.at),
        )
        for one in now.platforms
    ]


def _fits(one: PlatformNow, at: float) -> str:
    """Return how many runs fit beside those of others, as the platform said, and until when no more
    is tried.
    """
    if one.fits is None or one.full_until is None:
        return "all"
    return (
        f"{one.fits} until {output.utc(one.full_until)}"
        if one.full_until > at
        else f"{one.fits} or more"
    )


def _queue(now: Overview) -> list[tuple[object, ...]]:
    rows = [
        (
            one.route,
            _count(one.queued, now),
            _age(now.at - one.oldest_at),
            now.blocked.get(one.route, 0),
            one.state,
        )
        for one in now.queue
    ]
    queued = {one.route for one in now.queue}
    return [
        *rows,
        *(
            (route, 0, "-", count, "in line")
            for route, count in sorted(now.blocked.items())
            if route not in queued
        ),
    ]


def _runs(now: Overview) -> list[tuple[object, ...]]:
    return [(route, one.ended, one.failed) for route, one in sorted(now.runs_ended.items())]


def _count(number: int, now: Overview) -> str:
    return f"{number}+" if number >= now.counted_to else str(number)


def _age(seconds: float) -> str:
    """Return how long ago, in its two largest units."""
    seconds = max(seconds, 0.0)
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    hours = int(seconds // 3600)
    days = int(seconds // 86400)
    if hours < 2:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60} min" if days < 2 else f"{days} d {hours % 24} h"


def _size(count: int) -> str:
    size = count / 1000
    for unit in UNITS:
        if size < 1000 or unit == UNITS[-1]:
            return f"{size:.1f} {unit}" if size < 10 else f"{size:.0f} {unit}"
        size /= 1000
    return ""
