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


def show_shadow(asked: ConsoleRequest) -> Screen:
    """Return a page of the comparison, or the choice of the route to compare with."""
    route = asked.read(routes.show_route)
    name = route["name"]
    path = f"/routes/{name}/shadow"
    choices = _list_choices(asked.context.config(), name)
    try:
        found = asked.read(routes.compare_shadow, SHADOW_PARAMETERS)
    except ApiProblem as problem:
        if "live" in asked.given or [error.parameter for error in problem.errors] != ["live"]:
            raise
        found = None
    if found is not None:
        choices = [*dict.fromkeys([*choices, found["live"]])]
    given = {key: texts for key, texts in asked.given.items() if key != "before"}
    return Screen(
        template="route_shadow.html",
        title=f"Shadow of {name}",
        values={
            "route": route,
            "choices": choices,
            "found": found,
            "results": [] if found is None else _list_results(found["summary"]),
            "items": [] if found is None else [_describe(one) for one in found["items"]],
            "here": make_link(path),
            "next_url": None
            if found is None or found["next"] is None
            else make_link(path, {**given, "before": [found["next"]]}),
            "newest_url": make_link(path, given) if "before" in asked.given else None,
        },
    )


def _list_choices(config: Config, name: str) -> Sequence[str]:
    """Return the routes that may be compared with a route: those of its source come first."""
    sources = {one.source for one in config.routes if one.name == name}
    others = [one for one in config.routes if one.name != name and one.mode is not Mode.SHADOW]
    others.sort(key=lambda one: one.source not in sources)
    return [*dict.fromkeys(one.name for one in others)]


def _list_results(summary: Mapping[str, int]) -> list[tuple[str, str, str, int]]:
    """Return each result that occurs: its word, its kind, what it means, and the count."""
    return [
        (word, kind, text, summary[word]) for word, (text, kind) in RESULTS.items() if summary[word]
    ]


def _describe(one: Mapping[str, Any]) -> dict[str, Any]:
    diff = [each for each in one["diff"] or () if each["path"] not in HIDDEN_PATHS]
    return {
        "event_id": one["event_id"],
        "result": one["result"],
        "kind": RESULTS[one["result"]][1],
        "reason": one["reason"],
        "is_hidden": one["diff"] is None,
        "differences": [
            {
                "path": each["path"].removeprefix("/"),
                "before": _write(each["before"]),
                "after": _write(each["after"]),
            }
            for each in diff[:MAX_SHOWN_DIFFERENCES]
        ],
        "more": max(0, len(diff) - MAX_SHOWN_DIFFERENCES),
    }


def _write(value: Any) -> str:
    return "none" if value is None else write_value(value, MAX_VALUE_CHARS)
