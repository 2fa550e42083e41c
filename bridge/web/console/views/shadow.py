"""`/routes/NAME/shadow`: the deliveries of a shadow route beside those of a live one, by event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bridge.api.problems import ApiProblem
from bridge.api.resources import routes
from bridge.api.resources.routes import SHADOW_PARAMETERS
from bridge.routing.model import Config, Mode
from bridge.web.console.config_texts import write_value
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.links import make_link

MAX_SHOWN_DIFFERENCES: Final = 5  # of an event
MAX_VALUE_CHARS: Final = 200
HIDDEN_PATHS: Final = ("/reason", "/status")  # which the result says
#: What each result is, for people, and the kind of its status.
RESULTS: Final = {
    "same": ("the same delivery", "ok"),
    "differs": ("another flow, other inputs or another key", "warn"),
    "only_new": ("only the shadow route has one", "warn"),
    "only_old": ("only the live route has one", "warn"),
    "dead": ("planning of the shadow route failed", "bad"),
    "skipped": ("it cannot be decrypted", "off"),
}


def show_shadow(console_request: ConsoleRequest) -> Screen:
    """Return a page of the comparison, or the choice of the route to compare with."""
    route = console_request.read(routes.show_route)
    name = route["name"]
    path = f"/routes/{name}/shadow"
    choices = _list_choices(console_request.context.config(), name)
    try:
        comparison = console_request.read(routes.compare_shadow, SHADOW_PARAMETERS)
    except ApiProblem as problem:
        if "live" in console_request.given or [error.parameter for error in problem.errors] != [
            "live"
        ]:
            raise
        comparison = None
    if comparison is not None:
        choices = [*dict.fromkeys([*choices, comparison["live"]])]
    query = {key: texts for key, texts in console_request.given.items() if key != "before"}
    return Screen(
        template="route_shadow.html",
        title=f"Shadow of {name}",
        values={
            "route": route,
            "choices": choices,
            "found": comparison,
            "results": [] if comparison is None else _list_results(comparison["summary"]),
            "items": []
            if comparison is None
            else [_describe(compared_event) for compared_event in comparison["items"]],
            "here": make_link(path),
            "next_url": None
            if comparison is None or comparison["next"] is None
            else make_link(path, {**query, "before": [comparison["next"]]}),
            "newest_url": make_link(path, query) if "before" in console_request.given else None,
        },
    )


def _list_choices(config: Config, name: str) -> Sequence[str]:
    """Return the routes that may be compared with a route: those of its source come first."""
    sources = {route.source for route in config.routes if route.name == name}
    others = [
        route for route in config.routes if route.name != name and route.mode is not Mode.SHADOW
    ]
    others.sort(key=lambda route: route.source not in sources)
    return [*dict.fromkeys(route.name for route in others)]


def _list_results(summary: Mapping[str, int]) -> list[tuple[str, str, str, int]]:
    """Return each result that occurs: its word, its kind, what it means, and the count."""
    return [
        (word, kind, text, summary[word]) for word, (text, kind) in RESULTS.items() if summary[word]
    ]


def _describe(compared_event: Mapping[str, Any]) -> dict[str, Any]:
    diff = [
        difference
        for difference in compared_event["diff"] or ()
        if difference["path"] not in HIDDEN_PATHS
    ]
    return {
        "event_id": compared_event["event_id"],
        "result": compared_event["result"],
        "kind": RESULTS[compared_event["result"]][1],
        "reason": compared_event["reason"],
        "is_hidden": compared_event["diff"] is None,
        "differences": [
            {
                "path": difference["path"].removeprefix("/"),
                "before": _write(difference["before"]),
                "after": _write(difference["after"]),
            }
            for difference in diff[:MAX_SHOWN_DIFFERENCES]
        ],
        "more": max(0, len(diff) - MAX_SHOWN_DIFFERENCES),
    }


def _write(value: Any) -> str:
    return "none" if value is None else write_value(value, MAX_VALUE_CHARS)
