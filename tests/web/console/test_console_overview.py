"""The overview of the console: verdict, conditions, map, and why a queue waits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from console_client import ConsoleClient
from overviews import LANE, WELL
from records import make_delivery, make_event, put

from bridge.config.loader import load
from bridge.core.model import DeadKind, Status
from bridge.core.scopes import Scope
from bridge.services.overview.queue_waits import MAX_QUEUES
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.web.console.condition_links import link_condition
from bridge.web.console.route_map import COLUMN_WIDTH, MAX_ROWS, NODE_WIDTH, draw_map
from bridge.web.console.subject_notes import list_notes
from bridge.web.console.views.overview import describe_verdict

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: a-long-enough-secret-of-a-test}
routes:
  - {name: triage, on: github issues, inputs: {a: "${body.n}"}, flow: local/echo}
  - {name: idle, on: github push, mode: paused, inputs: {a: "${body.n}"}, flow: local/echo}
"""


@pytest.fixture
def console(database: Database, tmp_path: Path) -> ConsoleClient:
    (tmp_path / "routes.yaml").write_text(ROUTES)
    config = load(tmp_path / "routes.yaml", {}, strict_secrets=False)
    console = ConsoleClient(database, tmp_path, config)
    console.log_in()
    return console


def test_the_overview_says_what_wants_attention_and_why_a_queue_waits(
    console: ConsoleClient,
) -> None:
    event = make_event()
    waiting = make_delivery(event)
    dead = make_delivery(event, "idle", status=Status.DEAD, dead_kind=DeadKind.OURS)
    events.add(console.database, event, (waiting, dead), lambda *_: [])
    put(console.database, dead.id, finished_at=event.received_at)
    html = console.html("/")
    for text in (
        "needs attention",
        "nothing runs: no event is received or delivered",
        "<code>flowbridge serve</code>",
        "queued × 1",
        "no worker is running",
        "/console/routes/triage",
        "/console/sources/github",
        "/console/platforms/local",
        "paused",
    ):
        assert text.replace("needs", "need") in html.replace("needs", "need"), text
    console.log_in((Scope.READ,))
    assert "no worker is running" not in console.html("/")  # a reason may quote a payload


def test_a_route_says_why_it_waits_however_many_queues_are_older(console: ConsoleClient) -> None:
    event = make_event()
    older = [make_delivery(event, f"old{number}") for number in range(MAX_QUEUES)]
    waiting = make_delivery(event, "triage")
    events.add(console.database, event, (*older, waiting), lambda *_: [])
    for one in older:
        put(console.database, one.id, created_at=one.created_at - 60)
    assert "no worker is running" in console.html("/routes/triage")
    console.log_in((Scope.READ,))
    assert "no worker is running" not in console.html("/routes/triage")


def test_an_empty_bridge_says_how_to_begin(database: Database, tmp_path: Path) -> None:
    console = ConsoleClient(database, tmp_path)
    console.log_in()
    html = console.html("/")
    assert "No sources yet" in html and "flowbridge add github" in html


@pytest.mark.parametrize(
    ("severities", "verdict"),
    [
        ([], ("ok", "All is well")),
        (["warning"], ("warn", "1 problem needs attention")),
        (["warning", "critical"], ("bad", "2 problems need attention")),
    ],
)
def test_the_verdict_is_that_of_the_worst_condition(severities: Any, verdict: Any) -> None:
    assert describe_verdict(severities) == verdict


def test_the_page_of_a_route_says_that_it_is_late() -> None:
    late = replace(WELL, queue=[replace(LANE, due_at=WELL.at - 7200)])
    assert [note.word for note in list_notes(late, "route")[LANE.route]] == ["queue late"]


def test_a_condition_leads_to_the_list_that_it_is_about() -> None:
    assert link_condition("queue_late:my route:local") == (
        "/console/deliveries?status=queued&route=my+route",
        "Waiting deliveries",
    )
    assert link_condition("rejects:shop") == ("/console/rejects?source=shop", "Rejects")
    assert link_condition("disk_full") is None


def route(name: str, source: str, **changes: Any) -> dict[str, Any]:
    flow = {"name": "local/echo", "platform": "local", "saved_item_id": "echo"}
    return {
        "name": name,
        "source": source,
        "mode": "live",
        "flows": [flow],
        "queue": [],
        "blocked": 0,
        "ended_within_a_day": 0,
        "failed_within_a_day": 0,
    } | changes


def source(name: str, today: int = 0) -> dict[str, Any]:
    return {"name": name, "today": today, "rejected_today": 0, "configured": True}


PLATFORM = {
    "name": "local",
    "calls": 1,
    "runs": 2,
    "max_concurrent_runs": 5,
    "circuit": "closed",
}


def test_the_map_connects_sources_routes_and_flows() -> None:
    drawn = draw_map([source("github", 1000)], [route("triage", "github")], [PLATFORM])
    assert [(one.label, one.note) for one in drawn.nodes] == [
        ("github", "1000 events today"),
        ("triage", "0 runs in 24 h"),
        ("local/echo", "local: 3 of 5 slots"),
    ]
    assert drawn.width <= 2 * COLUMN_WIDTH + NODE_WIDTH + 8
    first, second = drawn.links
    assert first.width > second.width
    assert first.path.startswith("M268 26C")


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "ok"),
        ({"mode": "paused"}, "off"),
        ({"queue": [{"queued": 1, "state": "live"}]}, "busy"),
        ({"queue": [{"queued": 1, "state": "no platform"}]}, "warn"),
        ({"blocked": 1}, "warn"),
        ({"failed_within_a_day": 1, "blocked": 1}, "bad"),
    ],
)
def test_a_route_has_the_colour_of_its_worst_state(changes: Any, kind: str) -> None:
    drawn = draw_map([source("github")], [route("triage", "github", **changes)], [PLATFORM])
    assert drawn.nodes[1].kind == kind


def test_a_large_map_is_cut_and_says_so() -> None:
    names = [f"a-very-long-name-of-a-source-{number}" for number in range(MAX_ROWS + 6)]
    drawn = draw_map([source(one) for one in names], [route(one, one) for one in names], [])
    assert drawn.left_out == 12
    assert len(drawn.nodes) == 2 * MAX_ROWS + 1
    assert max(len(one.label) for one in drawn.nodes) <= 27
