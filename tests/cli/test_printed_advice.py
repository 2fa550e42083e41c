"""The commands that `status` advises work as they are printed, and end the advice."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from command_line import run
from records import make_delivery, make_event, put

from bridge.core.model import DeadKind
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.web.console.advice import split_advice

ROUTES = """version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: a-secret-of-github-0123456789}}
routes: [{name: triage, on: github issues, flow: local/echo, inputs: {n: "${body.n}"}}]
"""
ACTIONS = ("cancel", "replay", "retry")  # ask first; the other commands only look


def read_problems() -> dict[str, str]:
    """Return what `status` advises, by condition."""
    problems = json.loads(run("status", "--json").stdout)["problems"]
    return {problem["key"].partition(":")[0]: problem["do"] for problem in problems}


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        ("dead", {"status": "dead", "dead_kind": DeadKind.PLATFORM.value, "reason": "HTTP 403"}),
        ("dead", {"status": "dead", "dead_kind": DeadKind.OURS.value, "reason": "no such input"}),
        ("runs_failing", {"status": "delivered", "run_id": "r1", "run_state": "failed"}),
    ],
    ids=["platform", "config", "run"],
)
def test_advised_commands_end_the_advice(
    store: Database, folder: Path, condition: str, state: dict[str, Any]
) -> None:
    (folder / "routes.yaml").write_text(ROUTES)
    now = time.time()
    event = make_event("1", now=now, body=orjson.dumps({"n": 1}))
    delivery = make_delivery(event)
    events.add(store, event, [delivery], lambda *_: [])
    ended = {"delivered_at": now} if state["status"] == "delivered" else {}
    put(store, delivery.id, **state, **ended, created_at=now, finished_at=now)
    parts = split_advice(read_problems()[condition])
    commands = [shlex.split(part.text)[1:] for part in parts if part.is_command]
    assert any(command[0] in ACTIONS for command in commands)
    for command in commands:
        result = run(*command, *(["--yes"] if command[0] in ACTIONS else []))
        assert result.exit_code == 0, (command, result.output)
    assert condition not in read_problems()
