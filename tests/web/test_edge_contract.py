"""Each HTTP edge gives the recorded answers to the recorded requests, and stores the same events.

To record the answers again after a change that is meant to change them:

    FLOWBRIDGE_RECORD_ANSWERS=1 .venv/bin/pytest -n0 tests/web/test_edge_contract.py
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import new_postgres_database
from edge_requests import ENVIRON, ROUTES, requests
from edges import EDGES
from serving import Answer, Bridge, exchange
from sqlalchemy import select

from bridge.store.tables import schema
from bridge.store.tables.rows import to_event
from bridge.web.receiving import dry_run

ANSWERS = Path(__file__).parents[1] / "data" / "hook_answers.json"
RECORDER = "flask"  # the edge whose answers are recorded
#: What differs each time in a body, and what stands for it.
CHANGING_PARTS = (
    (re.compile(rb"evt_[0-9A-Za-z]+"), b"evt_ID"),
    (re.compile(rb'("x-flowbridge-dry":")[0-9a-f]{64}'), rb"\1DIGEST"),
    (re.compile(rb'(name="_token" value="page\.)[^"]+'), rb"\1TOKEN"),
)


@pytest.fixture(scope="module", params=[*EDGES, "async on PostgreSQL"])
def replayed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[tuple[str, dict[str, Any], list[dict[str, Any]]]]:
    """The answers of an edge by the names of the requests, and the events that it stored."""
    edge: str = request.param
    environ = {**ENVIRON, **EDGES.get(edge.removesuffix(" on PostgreSQL"), {})}
    if edge.endswith(" on PostgreSQL"):
        server = request.getfixturevalue("postgres")
        template = request.getfixturevalue("migrated_postgres")
        environ["FLOWBRIDGE_DATABASE_URL"] = new_postgres_database(server, template)
    folder = tmp_path_factory.mktemp("edge")
    with Bridge(folder, "web", routes=ROUTES, environ=environ) as bridge:
        answers = {each.name: _plain(exchange(bridge.port, each.raw)) for each in requests()}
        yield edge, answers, _stored(bridge)


def _plain(answer: Answer) -> dict[str, Any]:
    """Return an answer without what differs each time."""
    body = answer.body
    for pattern, instead in CHANGING_PARTS:
        body = pattern.sub(instead, body)
    return {
        "status": answer.status,
        "headers": {
            name: value for name, value in sorted(answer.headers.items()) if name != "date"
        },
        "body": body.decode(),
    }


def _stored(bridge: Bridge) -> list[dict[str, Any]]:
    """Return what is stored of each event, as far as it comes from the request."""
    with bridge.database.read() as connection:
        rows = connection.execute(select(schema.event).order_by(schema.event.c.seq)).all()
    events = [to_event(row, bridge.database.sealer) for row in rows]
    return [
        {
            "source": event.source,
            "type": event.type,
            "provider_id": event.provider_id,
            "query": event.query_string,
            "headers": {
                name: value.replace(f":{bridge.port}", ":PORT")
                for name, value in sorted(event.headers.items())
                if name != dry_run.HEADER.lower()
            },
            "body": hashlib.sha256(event.body).hexdigest(),
            "problem": event.problem,
            "duplicates": event.duplicates,
            "files": len(event.files),
        }
        for event in events
    ]


def test_the_answers_and_the_events_are_those_that_are_recorded(
    replayed: tuple[str, dict[str, Any], list[dict[str, Any]]],
) -> None:
    edge, answers, stored = replayed
    if os.environ.get("FLOWBRIDGE_RECORD_ANSWERS") and edge == RECORDER:
        document = {"answers": answers, "events": stored}
        text = json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True)
        ANSWERS.write_text(text + "\n")
    recorded = json.loads(ANSWERS.read_text())
    assert answers.keys() == recorded["answers"].keys()
    other = {name for name, answer in answers.items() if answer != recorded["answers"][name]}
    assert {name: (answers[name], recorded["answers"][name]) for name in sorted(other)} == {}
    assert stored == recorded["events"]


def test_the_recorded_answers_are_of_every_kind() -> None:
    """Else a contract that lost its hard cases would still hold."""
    recorded = json.loads(ANSWERS.read_text())["answers"]
    statuses = {answer["status"] for answer in recorded.values()}
    assert statuses >= {200, 202, 204, 303, 400, 401, 403, 404, 405, 413, 415, 422, 429, 503}
    assert "evt_ID" in recorded["good"]["body"]
