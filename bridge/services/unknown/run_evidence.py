"""Evidence about a run that may exist, from the platform's last list of runs."""

from __future__ import annotations

from typing import Final

import orjson

from bridge.core.model import JSON, Delivery, Status
from bridge.core.text import pluralize
from bridge.core.units import iso
from bridge.delivery.obstacles import Obstacle, last_list_failure
from bridge.services.records.delivery_records import evidence_json

WINDOW_NAME: Final = "looked for"  # the name of the line with the time window
#: Keys of the evidence that are for later tries, or that other lines show.
HIDDEN_KEYS = (
    "attempt",
    "covered",
    "empty_at",
    "run_id",
    "clock_step",
    "problem",
    "status_code",
    "failing_since",
)


def describe_evidence(evidence: JSON) -> list[tuple[str, str]]:
    """Return the evidence of the platform's last list of runs, as names and values."""
    if not isinstance(evidence, dict):
        return [("evidence", orjson.dumps(evidence).decode())]
    left = {
        name: value for name, value in evidence_json(evidence).items() if value not in (None, [])
    }
    lines = []
    if "since" in left and "until" in left:
        number = left.get("attempt")
        of = "a run" if number is None else f"the run of attempt {number},"
        lines.append((WINDOW_NAME, f"{of} created from {left.pop('since')} to {left.pop('until')}"))
    if "looks" in left and "looked_at" in left:
        extent = "is complete" if left.pop("covers", None) else "is not complete"
        times = left.pop("looks")
        looks = f"{pluralize(times, 'time')}, last at {left.pop('looked_at')}"
        listed = left.pop("listed", None)
        problem, _ = last_list_failure(evidence)
        if problem is not None:
            # These keys repeat the problem.
            left = {name: value for name, value in left.items() if name not in ("why", "decided")}
            since = (
                f"; none since {left.pop('failing_since')}"
                if "failing_since" in left and times > 1
                else ""
            )
            lines.append(("looked", f"{looks}: no list of runs arrived{since}"))
            lines.append(("answer", problem))
        else:
            lines.append(
                (
                    "looked",
                    (
                        f"{looks}: the list held"
                        f" {pluralize(listed, 'run') if listed else 'no runs'} and {extent}"
                        " for that period"
                    ),
                )
            )
    lines += [("found", _candidate(candidate)) for candidate in left.pop("candidates", ())]
    lines += [("or of", str(other)) for other in left.pop("others", ())]
    if "why" in left:
        lines.append(("decided", f"{left.pop('decided', 'nothing')}: {left.pop('why')}"))
    for name in HIDDEN_KEYS:
        left.pop(name, None)
    return lines + [
        (name.replace("_", " "), value if isinstance(value, str) else orjson.dumps(value).decode())
        for name, value in left.items()
    ]


def describe_search(delivery: Delivery, obstacle: Obstacle | None = None) -> list[tuple[str, str]]:
    """Return what is known of the search for a delivery's run, as names and values: the evidence of
    the platform's last list of runs, or why there is none.
    """
    if delivery.evidence is not None:
        return describe_evidence(delivery.evidence)
    if delivery.status is Status.UNKNOWN:
        return [("looked", describe_missing_look(delivery, obstacle))]
    return []


def describe_missing_look(delivery: Delivery, obstacle: Obstacle | None = None) -> str:
    """Return why there is no evidence for the last attempt of an unknown delivery, and when the
    platform's list of runs is read next.
    """
    if delivery.on_unknown != "reconcile":
        return f"no: its route says on_unknown: {delivery.on_unknown}"
    number = delivery.attempts + delivery.throttled
    at = "" if delivery.look_at is None else f", next look {iso(delivery.look_at)}"
    why = "" if obstacle is None else f": {obstacle.problem}"
    return f"attempt {number}: not looked yet{at}{why}"


def _candidate(candidate: JSON) -> str:
    if not isinstance(candidate, dict):
        return str(candidate)
    created = f", created {candidate['created_at']}" if candidate.get("created_at") else ""
    echo = f", its outputs have the id of the {candidate['echo']}" if candidate.get("echo") else ""
    return f"{candidate.get('run_id')} ({candidate.get('state') or 'state unknown'}){created}{echo}"


def find_run_id(evidence: JSON) -> str:
    """Return the id of the only candidate, `RUN` where there are several or none."""
    candidates = evidence.get("candidates") if isinstance(evidence, dict) else None
    run_ids = [
        candidate.get("run_id") for candidate in candidates or () if isinstance(candidate, dict)
    ]
    return str(run_ids[0]) if len(run_ids) == 1 and run_ids[0] else "RUN"
