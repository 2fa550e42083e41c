"""trends: print the numbers per minute that the store keeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.option_types import DurationParam, TimeParam
from bridge.cli.options import AS_JSON, wrong_usage
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.trends import TRENDS, TrendKind
from bridge.services.records.json_record import expect_shape, parse_time
from bridge.services.trends import describe_none, find_trend

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape

DEFAULT_SECONDS = 3600.0
MAX_SERIES_SHOWN = 5
LABELS = ("source", "route", "platform")
NAME_COLUMNS = (
    Column("name", whole=True),
    Column("by", whole=True),
    Column("numbers", spare=True),
)
COLUMNS = (Column("at", whole=True), Column("value", whole=True), Column("series", spare=True))
DURATION_COLUMNS = (
    Column("at", whole=True),
    Column("count", whole=True),
    Column("p50", whole=True),
    Column("p99", whole=True),
)


@click.command()
@click.argument("name", required=False)
@click.option(
    "--since",
    type=TimeParam(),
    metavar="TIME",
    help="Only since this time: 15m, 1h, 2d (ago), a date, or ISO 8601. Default: 1h.",
)
@click.option(
    "--step",
    type=DurationParam(),
    metavar="TIME",
    help="The time from one point to the next: 1m, 10m, 1h. Older than a day: at least 10m.",
)
@click.option("--source", metavar="NAME", help="Only of this source.")
@click.option("--route", metavar="NAME", help="Only of this route.")
@click.option("--platform", metavar="NAME", help="Only of this platform.")
@AS_JSON
@click.pass_obj
def trends(
    config: str | None,
    /,
    name: str | None,
    since: float | None,
    step: float | None,
    source: str | None,
    route: str | None,
    platform: str | None,
    as_json: bool,
) -> None:
    """Print the numbers of a trend, oldest first: events, latency, queue, attempts, runs, rejects.

    Without NAME, list the trends. Numbers are stored per minute for a day, then per ten minutes for
    14 days, of all machines together. A value is a sum; of a queue, the highest.

    \b
    flowbridge trends
    flowbridge trends events --since 1d
    flowbridge trends oldest --route paid --since 3h --step 5m
    flowbridge trends ack --since 2d --json
    """
    labels = {"source": source, "route": route, "platform": platform}
    only = {label: value for label, value in labels.items() if value is not None}
    if name is None:
        if only or since is not None or step is not None:
            raise click.UsageError("which trend? name one before the options")
        _list(as_json=as_json)
        return
    begin = time.time() - DEFAULT_SECONDS if since is None else since
    whole_step = None if step is None else int(step)
    with wrong_usage(), open_bridge(config) as bridge:
        trend = find_trend(name)
        page = bridge.read_trend(name, since=begin, step=whole_step, only=only)
    with expect_shape():
        points = list(page["items"])
        first_at = parse_time(page.get("first_at"))  # 0.2.0 has no such key
        has_numbers = any(point["value"] for point in points)
    if as_json:
        for point in points:
            output.json_line(point)
    elif has_numbers and trend.kind is TrendKind.DURATIONS:
        tables.print_table(DURATION_COLUMNS, map(_duration_row, points))
    elif has_numbers:
        tables.print_table(COLUMNS, map(_row, points))
    if not has_numbers:
        output.say(f"{describe_none(first_at, 'No number is above 0')}.")


def _list(*, as_json: bool) -> None:
    for trend in TRENDS.values() if as_json else ():
        output.json_line({"name": trend.name, "help": trend.help, "labels": list(trend.labels)})
    if not as_json:
        tables.print_table(
            NAME_COLUMNS,
            (
                (definition.name, ", ".join(definition.labels), definition.help)
                for definition in TRENDS.values()
            ),
        )


def _duration_row(point: Shape) -> tuple[str, ...]:
    with expect_shape():
        numbers = (point["p50"], point["p99"])
        times = ("" if seconds is None else f"{seconds * 1000:.1f} ms" for seconds in numbers)
        return output.moment(parse_time(point["at"])), f"{point['value']:g}", *times


def _row(point: Shape) -> tuple[str, ...]:
    with expect_shape():
        texts = [
            f"{' '.join(entry['labels'].values())} {entry['value']:g}".strip()
            for entry in point["series"]
        ]
        left = len(texts) - MAX_SERIES_SHOWN
        more = [f"{left} more"] if left > 0 else []
        series = ", ".join([*texts[:MAX_SERIES_SHOWN], *more])
        return output.moment(parse_time(point["at"])), f"{point['value']:g}", series
