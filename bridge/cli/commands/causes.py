"""causes: list dead deliveries by cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.options import (
    AS_JSON,
    FilteredCommand,
    filter_options,
    make_filters,
    require_existing,
)
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.services.dead_causes import CauseGroup

MAX_ROUTES_SHOWN = 3
COLUMNS = (
    Column("count", whole=True),
    Column("kind", whole=True),
    Column("first", whole=True),
    Column("last", whole=True),
    Column("newest", whole=True, short=output.short_id),
    Column("cause", spare=True, style=lambda _: "red"),
    Column("routes", spare=True),
    Column("advice", spare=True),
)


@click.command(cls=FilteredCommand)
@filter_options(limit=None, body=False, states=False)
@AS_JSON
@click.pass_obj
def causes(config: str | None, /, *, as_json: bool, **chosen: Any) -> None:
    """List dead deliveries by cause, the most frequent first, with what to do about each.

    The newest 5,000 dead deliveries are read. Those that were replayed since do not count. A cause
    quotes no payload; `flowbridge show ID` of the NEWEST delivery shows the whole reason.

    \b
    flowbridge causes --since 1d
    flowbridge causes --route triage-opened-issues --dead-kind config
    """
    from bridge.services.dead_causes import CauseReport, group_by_cause

    settings = settings_of(config)
    with open_store(settings) as database:
        wanted = make_filters(**chosen)
        require_existing(settings, database, **chosen)
        report = group_by_cause(database, wanted) if database else CauseReport(())
    if as_json:
        for group in report.groups:
            output.json_line(group.as_json())
    elif not tables.print_table(COLUMNS, map(_row, report.groups)):
        is_filtered = any(value is not None for value in chosen.values())
        output.say(
            "No matching dead deliveries. Without filters: flowbridge causes"
            if is_filtered
            else "No dead deliveries."
        )
    if report.read_until is not None:
        output.say(
            "There are more dead deliveries: only those planned since"
            f" {output.utc(report.read_until)} were read."
        )


def _row(group: CauseGroup) -> tuple[str, ...]:
    shown = list(group.routes[:MAX_ROUTES_SHOWN])
    left = len(group.routes) - len(shown)
    return (
        str(group.count),
        group.dead_kind.word if group.dead_kind else "",
        output.moment(group.first_at),
        output.moment(group.last_at),
        group.delivery_id,
        group.cause.label,
        ", ".join([*shown, *([f"{left} more"] if left else [])]),
        group.cause.advice,
    )
