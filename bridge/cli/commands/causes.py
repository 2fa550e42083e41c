"""causes: list dead deliveries by cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.bridge.request_parts import write_filters
from bridge.cli.options import AS_JSON, FilteredCommand, filter_options
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.advice import Advice, advise, name_command
from bridge.core.model import RunState
from bridge.services.records.json_record import expect_shape, parse_time, require_time

if TYPE_CHECKING:
    from bridge.cli.bridge.client import Bridge
    from bridge.cli.bridge.transport import Shape

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
def causes(config: str | None, /, *, as_json: bool, **filters: Any) -> None:
    """List dead deliveries by cause, the most frequent first, with what to do about each.

    The newest 5,000 dead deliveries are read. Those that were replayed since do not count. A cause
    quotes no payload; `flowbridge show ID` of the NEWEST delivery shows the whole reason.

    \b
    flowbridge causes --since 1d
    flowbridge causes --route triage-opened-issues --dead-kind config
    """
    with open_bridge(config) as bridge:
        report = bridge.read_causes(filters)
        advice = None if as_json or report.items else _find_failed_runs(bridge, filters)
    if as_json:
        for group in report.items:
            output.json_line(group)
    elif not tables.print_table(COLUMNS, map(_row, report.items)):
        is_filtered = any(value is not None for value in filters.values())
        output.say(
            "No matching dead deliveries. Without filters: flowbridge causes"
            if is_filtered
            else "No dead deliveries."
        )
        if advice is not None:
            output.say(str(advice))
    if report.looked_until is not None:
        output.say(
            "There are more dead deliveries: only those planned since"
            f" {output.utc(require_time(report.looked_until))} were read."
        )


def _find_failed_runs(bridge: Bridge, filters: Mapping[str, Any]) -> Advice | None:
    """Return the command that lists events with failed runs, if there are any.

    A delivery stays delivered when its run fails, unless its route says otherwise.
    """
    if filters["dead_kind"] is not None:
        return None
    failed = {"run": RunState.FAILED.value, **filters}
    if next(bridge.list_events(failed, 1), None) is None:
        return None
    command = name_command("events", **dict(write_filters(failed)))
    return advise("Deliveries whose runs failed are not dead: ", command)


def _row(group: Shape) -> tuple[str, ...]:
    with expect_shape():
        routes = list(group["routes"][:MAX_ROUTES_SHOWN])
        left = len(group["routes"]) - len(routes)
        return (
            str(group["count"]),
            group["dead_kind"] or "",
            output.moment(parse_time(group["first_at"])),
            output.moment(parse_time(group["last_at"])),
            group["example"]["delivery_id"],
            group["summary"],
            ", ".join([*routes, *([f"{left} more"] if left else [])]),
            group["what_to_do"],
        )
