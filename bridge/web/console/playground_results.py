"""The result of a trial as the playground shows it: problems, plans and an expression. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.model import JSON
from bridge.ingest.planned_deliveries import INCOMPARABLE_TEXTS
from bridge.web.console.clause_lines import list_clauses
from bridge.web.console.config_texts import write_value
from bridge.web.console.payload_tree import build_small_tree

MAX_PROBLEMS: Final = 100
MAX_CHANGES: Final = 100
MAX_DIFFERENCES: Final = 10  # of one change
MAX_VALUE_CHARS: Final = 1000
MAX_LINE_CHARS: Final = 200
#: The colour of a change.
CHANGE_KINDS: Final = {"new": "ok", "alive": "ok", "lost": "bad", "dead": "bad"}
CHANGE_WORDS: Final = {
    "inputs": "other inputs",
    "new": "new",
    "lost": "lost",
    "dead": "would be dead",
    "alive": "no longer dead",
    "flow": "another flow",
    "order": "another order key",
    "renamed": "another route",
}
_SKIPPED: Final = {reason.value: text for reason, text in INCOMPARABLE_TEXTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemLine:
    """A problem with the line of the text that it is about. `before`: what is left of the place."""

    level: str
    place: str
    message: str
    number: int | None = None
    line: str = ""
    before: str = ""


def list_problems(problems: Sequence[Mapping[str, Any]], text: str, name: str) -> list[ProblemLine]:
    """Return problems with their lines; `name` is that of the text among the files."""
    lines = text.splitlines()
    listed = []
    for problem in problems[:MAX_PROBLEMS]:
        number = problem["line"] if problem["file"] == name else None
        line = lines[number - 1] if number is not None and 0 < number <= len(lines) else ""
        column = min(max((problem["column"] or 1) - 1, 0), MAX_LINE_CHARS)
        listed.append(
            ProblemLine(
                level=problem["level"],
                place=problem["shown"] or problem["path"] or "",
                message=problem["message"]
                if number is not None
                else f"{problem['file']}: {problem['message']}",
                number=number,
                line=line[:MAX_LINE_CHARS],
                before=line[:column],
            )
        )
    return listed


def describe_result(result: Mapping[str, Any], events: Mapping[str, Mapping[str, Any]]) -> JSON:
    """Return the counts, the routes and the events of a result. `events`: those of the page."""
    changes: dict[str, list[Mapping[str, Any]]] = {}
    for change in result["changes"]:
        changes.setdefault(change["event_id"], []).append(_describe_change(change))
    listed = [
        _describe_event(planned_event, changes, events) for planned_event in result["planned"]
    ]
    return {
        "summary": result["summary"],
        "routes": result["routes"],
        "skipped": [(_SKIPPED[reason], count) for reason, count in result["skipped"].items()],
        "count": result["events"],
        "events": listed,
        "is_same": not any(result["summary"][name] for name in ("changed", "new", "lost", "dead")),
    }


def describe_explanation(shape: Mapping[str, Any], route: str | None = None) -> dict[str, Any]:
    """Return the explanation of an event: its routes, or only the one with this name."""
    routes = [
        explained_route
        for explained_route in shape["routes"]
        if not explained_route["other_source"]
    ]
    named = [explained_route for explained_route in routes if explained_route["route"] == route]
    return {
        "problem": shape["problem"],
        "routes": [_describe_route(explained_route) for explained_route in named or routes],
        "left_out": len(shape["routes"]) - len(named or routes),
    }


def _describe_route(route: Mapping[str, Any]) -> dict[str, Any]:
    """Return a route of an explanation with its verdict in words and its clauses as lines."""
    failed = sum(not clause["ok"] for clause in route["clauses"])
    total = len(route["clauses"])
    if route["matches"]:
        verdict, kind = ("matches", "ok") if not route["problem"] else ("would be dead", "bad")
    elif route["problem"]:
        verdict, kind = "cannot be evaluated", "bad"
    else:
        verdict, kind = f"no: {failed} of {total} clauses", "warn" if failed == 1 else "off"
    return {
        **route,
        "verdict": verdict,
        "kind": kind,
        "lines": list_clauses(route["clauses"]),
        "tree": build_small_tree(route["inputs"], "inputs"),
    }


def _describe_change(change: Mapping[str, Any]) -> dict[str, Any]:
    diff = change["diff"]
    return {
        "route": change["route"],
        "word": CHANGE_WORDS.get(change["change"], change["change"]),
        "kind": CHANGE_KINDS.get(change["change"], "busy"),
        "more": max(len(diff) - MAX_DIFFERENCES, 0),
        "diff": [
            {
                "path": difference["path"],
                "op": difference["op"],
                "before": write_value(difference["before"], MAX_VALUE_CHARS),
                "after": write_value(difference["after"], MAX_VALUE_CHARS),
            }
            for difference in diff[:MAX_DIFFERENCES]
        ],
    }


def _describe_event(
    planned_event: Mapping[str, Any],
    changes: Mapping[str, Sequence[Mapping[str, Any]]],
    events: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    about = events.get(planned_event["event_id"], {})
    return {
        **planned_event,
        "source": about.get("source", ""),
        "received_at": about.get("received_at"),
        "changes": changes.get(planned_event["event_id"], ()),
        "skipped": _SKIPPED.get(planned_event["incomparable"]),
    }
