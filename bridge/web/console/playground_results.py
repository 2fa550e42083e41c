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
_SKIPPED: Final = {one.value: text for one, text in INCOMPARABLE_TEXTS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemLine:
    """A problem with the line of the text that it is about. `before`: what is left of the place."""

    level: str
    place: str
    message: str
    number: int | None = None
    line: str = ""
    before: str = ""


def list_problems(found: Sequence[Mapping[str, Any]], text: str, name: str) -> list[ProblemLine]:
    """Return problems with their lines; `name` is that of the text among the files."""
    lines = text.splitlines()
    listed = []
    for one in found[:MAX_PROBLEMS]:
        number = one["line"] if one["file"] == name else None
        line = lines[number - 1] if number is not None and 0 < number <= len(lines) else ""
        column = min(max((one["column"] or 1) - 1, 0), MAX_LINE_CHARS)
        listed.append(
            ProblemLine(
                level=one["level"],
                place=one["shown"] or one["path"] or "",
                message=one["message"]
                if number is not None
                else f"{one['file']}: {one['message']}",
                number=number,
                line=line[:MAX_LINE_CHARS],
                before=line[:column],
            )
        )
    return listed


def describe_result(result: Mapping[str, Any], events: Mapping[str, Mapping[str, Any]]) -> JSON:
    """Return the counts, the routes and the events of a result. `events`: those of the page."""
    changes: dict[str, list[Mapping[str, Any]]] = {}
    for one in result["changes"]:
        changes.setdefault(one["event_id"], []).append(_describe_change(one))
    listed = [_describe_event(one, changes, events) for one in result["planned"]]
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
    routes = [one for one in shape["routes"] if not one["other_source"]]
    named = [one for one in routes if one["route"] == route]
    return {
        "problem": shape["problem"],
        "routes": [_describe_route(one) for one in named or routes],
        "left_out": len(shape["routes"]) - len(named or routes),
    }


def _describe_route(one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a route of an explanation with its verdict in words and its clauses as lines."""
    failed = sum(not clause["ok"] for clause in one["clauses"])
    total = len(one["clauses"])
    if one["matches"]:
        verdict, kind = ("matches", "ok") if not one["problem"] else ("would be dead", "bad")
    elif one["problem"]:
        verdict, kind = "cannot be evaluated", "bad"
    else:
        verdict, kind = f"no: {failed} of {total} clauses", "warn" if failed == 1 else "off"
    return {
        **one,
        "verdict": verdict,
        "kind": kind,
        "lines": list_clauses(one["clauses"]),
        "tree": build_small_tree(one["inputs"], "inputs"),
    }


def _describe_change(one: Mapping[str, Any]) -> dict[str, Any]:
    diff = one["diff"]
    return {
        "route": one["route"],
        "word": CHANGE_WORDS.get(one["change"], one["change"]),
        "kind": CHANGE_KINDS.get(one["change"], "busy"),
        "more": max(len(diff) - MAX_DIFFERENCES, 0),
        "diff": [
            {
                "path": each["path"],
                "op": each["op"],
                "before": write_value(each["before"], MAX_VALUE_CHARS),
                "after": write_value(each["after"], MAX_VALUE_CHARS),
            }
            for each in diff[:MAX_DIFFERENCES]
        ],
    }


def _describe_event(
    one: Mapping[str, Any],
    changes: Mapping[str, Sequence[Mapping[str, Any]]],
    events: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    about = events.get(one["event_id"], {})
    return {
        **one,
        "source": about.get("source", ""),
        "received_at": about.get("received_at"),
        "changes": changes.get(one["event_id"], ()),
        "skipped": _SKIPPED.get(one["incomparable"]),
    }
