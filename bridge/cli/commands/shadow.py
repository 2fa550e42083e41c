"""shadow: what a shadow route would have sent, beside what another route sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.options import (
    AS_JSON,
    SINCE,
    UNTIL,
    FilteredCommand,
    add_options,
    require_existing,
    wrong_usage,
)
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.cli.usable_config import load_usable
from bridge.core.errors import NotFound
from bridge.core.times import DAY
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.routing.model import Config
    from bridge.services.shadow_comparison import ShadowedEvent, ShadowSummary

DEFAULT_DAYS: Final = 7
COLUMNS: Final = (
    Column("result", whole=True),
    Column("events", whole=True),
    Column("example", whole=True, short=output.short_id),
    Column("detail", spare=True),
)


@click.command(cls=FilteredCommand)
@click.argument("new")
@click.argument("old", required=False)
@add_options(SINCE, UNTIL)
@AS_JSON
@click.pass_obj
def shadow(config: str | None, /, new: str, old: str | None, as_json: bool, **chosen: Any) -> None:
    """Compare the deliveries that a shadow route planned with those of the route OLD, by event.

    NEW is a route with `mode: shadow`. OLD is the route that it may replace; by default the only
    other route of the same source, or the only one with the same flow. Without --since, events of
    the last 7 days are compared. Events that were planned before NEW existed are left out.

    Results: same, differs (inputs, flow or ordering key), only_new, only_old, dead (planning of NEW
    failed). With --json there is a line for each event that is not the same, then a summary.

    \b
    flowbridge shadow triage-new
    flowbridge shadow triage-new triage --since 2d --json
    """
    from bridge.services.shadow_comparison import (
        ShadowResult,
        ShadowSummary,
        compare_shadow,
        find_old_route,
    )
    from bridge.store.queries.filters import Filters

    settings = settings_of(config)
    loaded = load_usable(settings)
    with wrong_usage():
        other = old or find_old_route(loaded, new)
    if other == new:
        raise click.UsageError("NEW and OLD are the same route")
    since = chosen["since"] if chosen["since"] is not None else time.time() - DEFAULT_DAYS * DAY
    summary = ShadowSummary()
    with open_store(settings) as database:
        if database is None:
            raise NotFound("nothing was received yet: there is no database")
        for name in (new, other):
            require_existing(settings, database, route=name)
        wanted = Filters(since=since, until=chosen["until"])
        for one in compare_shadow(database, wanted, new, other):
            summary.add(one)
            if as_json and one.result is not ShadowResult.SAME:
                output.json_line(one.as_json())
    if as_json:
        output.json_line({"summary": summary.as_json()})
    elif not summary.counts:
        output.say(f"The route {new} planned no shadow deliveries since {output.utc(since)}.")
    else:
        _print(summary)
        _say_next_steps(summary, loaded, new, other)


def _print(summary: ShadowSummary) -> None:
    tables.print_table(
        COLUMNS,
        (
            (result.value, f"{count:,}", example.event_id, _detail(example, summary))
            for result, count in summary.counts.most_common()
            for example in (summary.examples[result],)
        ),
    )


def _detail(one: ShadowedEvent, summary: ShadowSummary) -> str:
    """Return the reason of a result, or the paths that differ most often with an example."""
    from bridge.cli.ui.comparison_view import describe_difference
    from bridge.services.shadow_comparison import ShadowResult

    if one.reason is not None:
        return one.reason
    if one.result is not ShadowResult.DIFFERS or not one.diff:
        return ""
    first = one.diff[0]
    shown = describe_difference(first.path, first.before, first.after)
    return f"{summary.top_paths()}; such as {shown}"


def _say_next_steps(summary: ShadowSummary, config: Config, new: str, old: str) -> None:
    """Print how the new route begins to send, and how to send what only it planned."""
    from bridge.services.config_checks.written_routes import read_routes
    from bridge.services.shadow_comparison import ShadowResult

    written = read_routes(config)
    route = written.routes.get(new)
    place = None if route is None else written.report.places.get((*route.path, "mode"))
    if place is not None:
        output.say(
            f"To send through {new}: change `mode: shadow` to `mode: live` in"
            f" {place.file}:{place.line}, and remove the route {old}."
        )
    if count := summary.counts[ShadowResult.ONLY_NEW]:
        noun = output.number(count, "event")
        output.say(
            f"Then, to send the {noun} that only {new} has planned: flowbridge shadow {new} {old}"
            " --json | jq -r 'select(.result == \"only_new\").event_id' | xargs flowbridge replay"
            f" --yes --through {new}"
        )
