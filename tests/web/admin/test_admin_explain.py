"""The endpoint that explains an event: its scope, its parameters, and both kinds of routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from admin_client import AdminClient
from records import NOW, make_event
from signed_rejects import make_reject

from bridge.config.loader import load
from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.queries import configs

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}}
routes:
  - name: triage
    on: github issues
    match: {any: [{body.n: 1}, {not: {body.m: 2}}]}
    when: body.n > 0
    inputs: {n: "${body.n}"}
    flow: local/echo
  - {name: push, on: github push, inputs: {n: 1}, flow: local/echo}
"""


@pytest.fixture
def admin(database: Database, tmp_path: Path) -> AdminClient:
    (tmp_path / "then.yaml").write_text(ROUTES)
    config = load(tmp_path / "then.yaml", {}, strict_secrets=False)
    configs.remember_config(database, config.hash, config.canonical, NOW)
    event = make_event("gh-1", config_hash=config.hash, body=b'{"n": 1}')
    events.add(database, event, [], lambda *_: [])
    (tmp_path / "now.yaml").write_text(ROUTES.replace("body.n > 0", "body.n > 5"))
    return AdminClient(database, tmp_path, load(tmp_path / "now.yaml", {}, strict_secrets=False))


def event_id(admin: AdminClient) -> str:
    (one,) = admin.items("/events")
    return str(one["id"])


def test_an_event_is_explained_by_the_routes_of_now_or_then(admin: AdminClient) -> None:
    path = f"/events/{event_id(admin)}/explain"
    now = admin.get(path).get_json()
    assert [(one["route"], one["matches"]) for one in now["routes"]] == [
        ("triage", False),
        ("push", False),
    ]
    then = admin.get(path, {"routes": "then", "route": "triage"}).get_json()
    (route,) = then["routes"]
    assert (route["matches"], route["inputs"]) == (True, {"n": 1})
    assert now["config_hash"] != then["config_hash"]


def test_an_explanation_needs_the_scope_bodies(admin: AdminClient) -> None:
    answer = admin.get(f"/events/{event_id(admin)}/explain", scopes=(Scope.READ,))
    assert answer.status_code == 403
    assert answer.get_json()["type"].endswith(":missing_scope")


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ({"route": "triag"}, 400, "did you mean `triage`?"),
        ({"routes": "thn"}, 400, "routes"),
        ({"rout": "triage"}, 400, "did you mean route"),
    ],
)
def test_a_wrong_parameter_is_named(
    admin: AdminClient, query: dict[str, Any], status: int, word: str
) -> None:
    answer = admin.get(f"/events/{event_id(admin)}/explain", query)
    assert answer.status_code == status and word in answer.text


def test_an_event_that_is_not_there_or_has_no_body_is_not_found(admin: AdminClient) -> None:
    assert admin.get("/events/evt_gone/explain").status_code == 404
    event = make_event("gh-2", body=b"", body_sha256="0" * 64)
    events.add(admin.database, event, [], lambda *_: [])
    answer = admin.get(f"/events/{event.id}/explain")
    assert answer.status_code == 404 and "has deleted its body" in answer.text


def test_the_events_of_a_reject_are_explained(admin: AdminClient) -> None:
    reject = make_reject(
        id="rej_01kav9f000000000000000000a",
        received_at=NOW,
        headers={"content-type": "application/json", "x-github-event": "issues"},
        body=b'{"n": 1}',
    )
    rejects.add(admin.database, reject)
    path = f"/rejects/{reject.id}/explain"
    (found,) = admin.items(path, route="triage")
    assert (found["reject_id"], found["event_id"]) == (reject.id, None)
    assert [(one["route"], one["matches"]) for one in found["routes"]] == [("triage", False)]
    assert "screen" not in found
    (shown,) = admin.items(path, screen="true")
    assert shown["screen"]["routes"][0]["lines"][0]["path"] == "type"
    assert admin.get(path, scopes=(Scope.READ,)).status_code == 403
    wrong = admin.get(path, {"route": "triagge"})
    assert wrong.get_json()["errors"][0]["param"] == "route"
    assert "leave out" in admin.get(path, {"routes": "then"}).get_json()["detail"]
    assert admin.get("/rejects/rej_zz/explain").status_code == 404
