"""`/`: the verdict, the conditions, the main numbers, the map and the processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.api.resources.platforms import list_platforms
from bridge.api.resources.routes import list_routes
from bridge.api.resources.sources import list_sources
from bridge.api.resources.status import read_report
from bridge.core.status import MAX_DEAD_TODAY, ROLE_NAMES
from bridge.core.text import pluralize
from bridge.monitoring.conditions import CRITICAL, HealthProblem
from bridge.web.console.advice import split_advice
from bridge.web.console.condition_links import link_condition
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.day_trends import read_day
from bridge.web.console.hour_chart import HourChart
from bridge.web.console.links import make_link
from bridge.web.console.route_map import draw_map
from bridge.web.console.wait_texts import describe_waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number of the overview, with the list that it counts. `kind` colours it unless it is 0.

    `chart`: the number by hour.
    """

    label: str
    count: int
    url: str | None
    kind: str = ""
    note: str = ""
    counted_to: int | None = None
    chart: HourChart | None = None


def show_overview(console_request: ConsoleRequest) -> Screen:
    """Return the first page."""
    report = read_report(console_request.context, console_request.ask())
    status = report.as_json()
    tiles = _make_tiles(status, read_day(console_request, "events", "event", "events"))
    if console_request.wants_part:
        return Screen(
            template="overview_tiles.html",
            title="",
            values={"tiles": tiles},
            is_part=True,
        )
    sources = console_request.read(list_sources)["items"]
    routes = console_request.read(list_routes)["items"]
    platforms = console_request.read(list_platforms)["items"]
    return Screen(
        template="overview.html",
        title="Overview",
        values={
            "status": status,
            "role_names": ROLE_NAMES,
            "verdict": describe_verdict([problem.severity for problem in report.found]),
            "conditions": [_describe_condition(problem) for problem in report.found],
            "tiles": tiles,
            "map": draw_map(sources, routes, platforms),
            "sources": sources,
            "routes": routes,
            "platforms": platforms,
            "waits": describe_waits(console_request),
        },
    )


def describe_verdict(severities: Sequence[str]) -> tuple[str, str]:
    """Return the state of the bridge as a kind and a sentence. `severities`: of its problems."""
    if not severities:
        return "ok", "All is well"
    what = pluralize(len(severities), "problem needs", "problems need")
    return "bad" if CRITICAL in severities else "warn", f"{what} attention"


def _describe_condition(problem: HealthProblem) -> dict[str, Any]:
    link = link_condition(problem.key)
    return {
        "severity": problem.severity,
        "what": problem.what,
        "advice": split_advice(problem.do),
        "url": link[0] if link else None,
        "label": link[1] if link else None,
    }


def _make_tiles(status: Mapping[str, Any], chart: HourChart) -> list[Tile]:
    counted_to = status["counted_to"]
    sources = status["sources"]
    waiting = sum(queue["queued"] for queue in status["queue"])
    blocked = sum(status["blocked"].values())
    calls = sum(platform["calls"] for platform in status["platforms"])
    runs = sum(platform["runs"] for platform in status["platforms"])
    return [
        Tile(
            label="Events today",
            count=sum(source["today"] for source in sources),
            url=make_link("/events"),
            note="since 00:00 UTC" + (", or more" if status["today_cut"] else ""),
            chart=chart,
        ),
        Tile(
            label="Queued",
            count=waiting,
            url=make_link("/deliveries", {"status": "queued"}),
            kind="busy",
            note=f"{blocked} blocked" if blocked else "",
            counted_to=counted_to,
        ),
        Tile(
            label="In flight",
            count=calls + runs,
            url=make_link("/deliveries", {"status": "sending"} if calls else {"run": "running"}),
            kind="busy",
            note=f"{pluralize(calls, 'call')}, {pluralize(runs, 'run')}",
        ),
        Tile(
            label="Died within a day",
            count=status["dead"]["within_a_day"],
            url=make_link("/deliveries", {"status": "dead", "since": "1d"}),
            kind="bad",
            note=f"{status['dead']['total']} in all",
            counted_to=MAX_DEAD_TODAY,
        ),
        Tile(
            label="Need a decision",
            count=status["unknown"]["for_a_person"],
            url=make_link("/unknown"),
            kind="warn",
            note=f"of {status['unknown']['total']} unknown",
            counted_to=counted_to,
        ),
        Tile(
            label="Rejected today",
            count=sum(source["rejected_today"] for source in sources),
            url=make_link("/rejects"),
            kind="warn",
            note="failed verification",
        ),
    ]
