"""shadow: what a shadow route would have sent, beside what another route sent."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.bridge.transport import Shape
from bridge.cli.command_choices import write_choices
from bridge.cli.command_settings import find_server, settings_of
from bridge.cli.options import AS_JSON, SINCE, UNTIL, FilteredCommand, add_options
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.routing.model import Mode
from bridge.services.comparison.shadow_pairs import ShadowResult, default_since
from bridge.services.records.json_record import expect_shape
from bridge.services.usable_config import load_present

MAX_TOP_PATHS: Final = 3
JSON_KEYS: Final = ("event_id", "result", "diff")
COLUMNS: Final = (
    Column("result", whole=True),
    Column("events", whole=True),
    Column("example", whole=True, short=output.short_id),
    Column("detail", spare=True),
)


@dataclass(slots=True)
class ShadowTotals:
    """The counts of all pages of a comparison, the first event of each result, and the paths."""

    route: str = ""
    live: str = ""
    mode: str | None = None
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Shape] = field(default_factory=dict)
    paths: Counter[str] = field(default_factory=Counter)

    def add(self, page: Mapping[str, Any]) -> None:
        """Add a page."""
        self.route, self.live, self.mode = page["route"], page["live"], page["mode"]
        self.counts.update({name: count for name, count in page["summary"].items() if count})
        self.paths.update(page["paths"])
        items = {comparison["event_id"]: comparison for comparison in page["items"]}
        for result, event_id in page["examples"].items():
            same = {"event_id": event_id, "reason": None, "diff": []}
            self.examples.setdefault(result, items.get(event_id, same))

    def as_json(self) -> dict[str, int]:
        """Return the counts in the shape of `shadow --json`."""
        return {result.value: self.counts[result.value] for result in ShadowResult}


@click.command(cls=FilteredCommand, epilog=write_choices("shadow"))
@click.argument("new", metavar="[NEW]", required=False)
@click.argument("old", required=False)
@add_options(SINCE, UNTIL)
@AS_JSON
@click.pass_obj
def shadow(
    config: str | None, /, new: str | None, old: str | None, as_json: bool, **filters: Any
) -> None:
    """Compare the deliveries that a shadow route planned with those of the route OLD, by event.

    NEW is a route with `mode: shadow`. OLD is the route that it may replace; by default the only
    other route of the same source, or the only one with the same flow. Without --since, events of
    the last 7 days are compared. Events that were planned before NEW existed are left out.

    Without NEW, the routes with `mode: shadow` are listed.

    Results: same, differs (inputs, flow or ordering key), only_new, only_old, dead (planning of NEW
    failed). With --json there is a line for each event that is not the same, then a summary.

    \b
    flowbridge shadow
    flowbridge shadow triage-new
    flowbridge shadow triage-new triage --since 2d --json
    """
    if new is None:
        if as_json or find_server() is not None:
            raise click.UsageError("NEW is missing: the name of a route with `mode: shadow`")
        _list_shadow_routes(config)
        return
    since = filters["since"] if filters["since"] is not None else default_since(time.time())
    totals = ShadowTotals()
    with open_bridge(config) as bridge:
        for page in bridge.compare_shadow(new, old, since=since, until=filters["until"]):
            with expect_shape():
                totals.add(page)
                lines = [
                    {key: comparison[key] for key in JSON_KEYS} for comparison in page["items"]
                ]
            if as_json:
                output.json_lines(lines)
        if as_json:
            output.json_line({"summary": totals.as_json()})
        elif totals.counts:
            _print(totals)
            _say_next_steps(totals, bridge.transport.find_mode_place(new))
        else:
            output.say(f"The route {new} planned no shadow deliveries since {output.utc(since)}.")
    if not as_json:
        _say_mode(totals)


def _list_shadow_routes(config: str | None) -> None:
    """Print the names of the routes that plan shadow deliveries."""
    routes = load_present(settings_of(config)).routes
    names = [route.name for route in routes if route.mode is Mode.SHADOW]
    for name in names:
        output.answer(name)
    if names:
        output.say(f"Compare one: flowbridge shadow {names[0]}")
    else:
        output.say("No route has `mode: shadow`.")


@expect_shape()
def _print(totals: ShadowTotals) -> None:
    tables.print_table(
        COLUMNS,
        (
            (result, f"{count:,}", example["event_id"], _detail(result, example, totals))
            for result, count in totals.counts.most_common()
            for example in (totals.examples[result],)
        ),
    )


def _detail(result: str, example: Mapping[str, Any], totals: ShadowTotals) -> str:
    """Return the reason of a result, or the paths that differ most often with an example."""
    from bridge.cli.ui.comparison_view import describe_difference

    if example["reason"] is not None:
        return str(example["reason"])
    if result != ShadowResult.DIFFERS or not example["diff"]:
        return ""
    first = example["diff"][0]
    difference = describe_difference(first["path"], first["before"], first["after"])
    paths = (f"{path} {count}" for path, count in totals.paths.most_common(MAX_TOP_PATHS))
    return f"{', '.join(paths)}; such as {difference}"


def _say_mode(totals: ShadowTotals) -> None:
    if totals.mode not in (None, Mode.SHADOW):
        output.say(
            f"The mode of the route {totals.route} is {totals.mode}: only a route with"
            " `mode: shadow` plans shadow deliveries."
        )


def _say_next_steps(totals: ShadowTotals, place: str | None) -> None:
    """Print how the new route begins to send, and how to send what only it planned.

    `place`: where its mode is written, if that is known.
    """
    new, live = totals.route, totals.live
    if totals.mode == Mode.SHADOW:
        where = "" if place is None else f" in {place}"
        output.say(
            f"To send through {new}: change `mode: shadow` to `mode: live`{where}, and remove the"
            f" route {live}."
        )
    if count := totals.counts[ShadowResult.ONLY_NEW]:
        noun = output.number(count, "event")
        output.say(
            f"Then, to send the {noun} that only {new} has planned: flowbridge shadow {new} {live}"
            " --json | jq -r 'select(.result == \"only_new\").event_id' | xargs flowbridge replay"
            f" --yes --through {new}"
        )
