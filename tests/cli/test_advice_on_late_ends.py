"""The commands that `status` advises select what ended today, however old its event is."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from command_line import run
from printed_advice import follow, read_problems
from records import make_delivery, make_event, put

from bridge.core.advice import Advice
from bridge.core.model import DeadKind
from bridge.store.db.database import Database
from bridge.store.inbound import events

ROUTES = """version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: a-secret-of-github-0123456789}}
routes: [{name: triage, on: github issues, flow: local/echo, inputs: {n: "${body.n}"}}]
"""
DAY = 24 * 3600


def read_advice(store: Database) -> list[Advice]:
    """Return what `status` advises on dead deliveries and failed runs."""
    problems = read_problems(store)
    return [problems[name] for name in ("dead", "runs_failing") if name in problems]


def read_notes() -> list[str]:
    """Return what `status` notes on failed runs."""
    notes = json.loads(run("status", "--json").stdout)["notes"]
    return [note for note in notes if "failed within a day" in note]


@pytest.mark.parametrize(
    "state",
    [
        {"status": "dead", "dead_kind": DeadKind.PLATFORM.value, "reason": "HTTP 403"},
        {"status": "dead", "dead_kind": DeadKind.OURS.value, "reason": "no such input"},
        {"status": "delivered", "run_id": "r1", "run_state": "failed"},
    ],
    ids=["platform", "config", "run"],
)
def test_advised_commands_select_what_came_days_before_it_ended(
    store: Database, folder: Path, state: dict[str, Any]
) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    now = time.time()
    received_at = now - 2.5 * DAY
    event = make_event("1", now=received_at, body=orjson.dumps({"n": 1}))
    delivery = make_delivery(event)
    events.add(store, event, [delivery], lambda *_: [])
    ended = {"delivered_at": now} if state["status"] == "delivered" else {}
    # planned by a replay today: its event is older than the delivery
    put(store, delivery.id, **state, **ended, created_at=now - DAY / 2, finished_at=now)
    (advice,) = read_advice(store)
    assert "--since 3d" in advice.sentence
    follow(advice)
    assert read_advice(store) == []
    assert read_notes() == []


def test_the_note_on_failed_runs_lists_the_events_that_it_counts(
    store: Database, folder: Path
) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    now = time.time()
    for name, state, age in (("1", "failed", 4 * DAY), ("2", "done", 0), ("3", "done", 0)):
        event = make_event(name, now=now - age - 60, body=orjson.dumps({"n": 1}))
        delivery = make_delivery(event)
        events.add(store, event, [delivery], lambda *_: [])
        ended_at = now - 30 if state == "failed" else now
        put(
            store,
            delivery.id,
            status="delivered",
            run_id=name,
            run_state=state,
            delivered_at=ended_at,
            finished_at=ended_at,
        )
    (note,) = read_notes()
    command = note.partition(": ")[2]
    assert command == "flowbridge events --run failed --since 5d"
    assert json.loads(run(*shlex.split(command)[1:], "--json").stdout)["id"]
