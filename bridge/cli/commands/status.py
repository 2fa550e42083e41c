"""status: processes, queue, failures and problems on one screen, for people and monitors."""

from __future__ import annotations

import sys

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output, tables
from bridge.cli.ui.refusals_view import print_refusals, print_spam
from bridge.cli.ui.status_tables import HASH_CHARS, format_count, status_tables
from bridge.config.setting_values import BACKUP_INTERVAL_SECONDS
from bridge.core.status import (
    MAX_DEAD_TODAY,
    BackupStatus,
    ConfigStatus,
    OverdueWork,
    Overview,
    UrlCertificate,
)
from bridge.services.records.status_records import STATUS, ShownStatus

WIDTH = 80  # columns
UNITS = ("kB", "MB", "GB", "TB")


@click.command()
@AS_JSON
@click.pass_obj
def status(config: str | None, /, as_json: bool) -> None:
    """Show processes, events, the queue and problems on one screen, each problem with the next
    step.

    It reads the store and asks the bridges on this machine; none has to run. Exit code 0: no
    problems. Exit code 1: something needs attention. A dead delivery needs attention for a day,
    unless it is retried or replayed.

    \b
    flowbridge status
    flowbridge status --json | jq -r '.problems[] | "\\(.what): \\(.do)"'
    """
    with open_bridge(config) as bridge:
        shape = bridge.read_status()
    report = STATUS.parse(shape)
    if as_json:
        output.json_line(shape)
    else:
        _print(report)
    sys.exit(1 if report.problems else 0)


def _print(report: ShownStatus) -> None:
    now = report.overview
    click.secho(f"flowbridge {output.clean(now.version)}", bold=True, nl=False)
    on = f" on Python {report.python}, {report.store}; {output.utc(now.at)}"
    click.echo(output.clean(on))
    _verdict(report)
    click.echo()
    _facts(now, report.file)
    for columns, rows in status_tables(now):
        if rows:
            click.echo()
            tables.print_table(columns, rows)
    print_refusals(now.sources)
    print_spam(now.sources)


def _verdict(report: ShownStatus) -> None:
    count = len(report.problems)
    if not count:
        click.secho("All is well.", fg="green")
    else:
        click.secho(
            f"{count} {'problem needs' if count == 1 else 'problems need'} attention:", fg="red"
        )
    for problem in report.problems:
        click.echo(click.style("! ", fg="red") + _wrap(problem.what, 2))
        click.echo(click.style(f"  -> {_wrap(problem.do.sentence, 5)}", dim=True))
    for text in report.notes:
        click.echo(f"note: {_wrap(text, 6)}")


def _wrap(text: str, indent: int) -> str:
    return output.wrap_text(output.clean(text), indent, WIDTH)


def _facts(now: Overview, file: str) -> None:
    _config(now.config, file)
    _deliveries(now)
    _machine(now)


def _config(config: ConfigStatus, file: str) -> None:
    """Print which configuration is used, and why another one is not."""
    output.line("routes", file)
    used = f"{config.hash[:HASH_CHARS]}, " if config.hash else ""
    output.line(
        "config",
        used
        + (f"used since {output.utc(config.since)}" if config.since else "not used by any process"),
    )
    if config.error_since:
        output.line("not valid", f"since {output.utc(config.error_since)}", "red")
    output.line("not used", config.held, "red")


def _deliveries(now: Overview) -> None:
    """Print how many deliveries are dead, unknown and overdue."""
    output.line(
        "dead",
        f"{format_count(now.dead, now.counted_to)}"
        f" ({format_count(now.dead_today, MAX_DEAD_TODAY)} in 24 h)",
        "red" if now.dead_today else None,
    )
    _unknown(now)
    if now.overdue != OverdueWork():
        late = now.overdue
        calls = output.number(late.leases, "call")
        looks = output.number(late.looks, "poll of a run", "polls of runs")
        output.line(
            "overdue",
            f"{calls}, {looks}, {output.number(late.ahead, 'time')} too far ahead",
            "yellow",
        )


def _machine(now: Overview) -> None:
    """Print the state of the data, its disk and backup, the certificate and the clock."""
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
    """Print how many deliveries are unknown, and the obstacles to resolving them."""
    text = (
        f"{format_count(now.unknown, now.counted_to)} ({format_count(now.held, now.counted_to)}"
        f" {'needs' if now.held == 1 else 'need'} a decision)"
    )
    output.line("unknown", text, "yellow" if now.held or now.stuck else None)
    for obstacle in now.stuck:
        one_does, many_do = (
            ("needs a decision", "need a decision")
            if obstacle.needs_decision
            else ("waits", "wait")
        )
        does = one_does if obstacle.count == 1 else many_do
        text = (
            f"{format_count(obstacle.count, now.counted_to)} {does}:"
            f" {output.clean(obstacle.problem)}"
        )
        for line in output.wrap_text(text, width=WIDTH - output.LABEL_COLUMNS).split("\n"):
            output.line("", line, "yellow")


def _backup(backup: BackupStatus) -> str:
    often = next(word for word, every in BACKUP_INTERVAL_SECONDS.items() if every == backup.every)
    newest = None if backup.newest_at is None else f"newest {output.utc(backup.newest_at)}"
    if backup.every is None:
        return f"{often}, {newest}" if newest else often
    return f"{often}, {newest or 'none yet'}"


def _certificate(certificate: UrlCertificate) -> str:
    ends = (
        "not checked" if certificate.ends_at is None else f"ends {output.utc(certificate.ends_at)}"
    )
    return f"of {certificate.host}, {ends}" + (
        f"; {certificate.unreached} at {output.utc(certificate.looked_at)}"
        if certificate.unreached
        else ""
    )


def _size(count: int) -> str:
    size = count / 1000
    for unit in UNITS:
        if size < 1000 or unit == UNITS[-1]:
            return f"{size:.1f} {unit}" if size < 10 else f"{size:.0f} {unit}"
        size /= 1000
    return ""
