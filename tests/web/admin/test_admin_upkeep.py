"""Upkeep over the admin API: tokens, the hold, learned secrets, runs by hand."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from admin_client import AdminClient
from endpoint_groups import UPKEEP
from fake_platform import FakePlatform
from records import make_delivery, make_event
from trials_here import evaluate_here

from bridge.api.problems import TYPE_PREFIX
from bridge.config.loader import load
from bridge.core.scopes import Scope
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.delivery.platforms.model import InputNode, KillReport
from bridge.services.platforms import given_inputs, platform_queries
from bridge.store import audit
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import run_requests

OPERATOR = (Scope.READ, Scope.BODIES, Scope.ACT)
ADMIN = (Scope.ADMIN,)
ROUTES = """
version: 1
platforms:
  crm: {type: http, url: "https://crm.example/x"}
  gumloop: {type: gumloop, api_key: "${env:K}", user_id: "${env:U}"}
sources:
  asana: {provider: asana}
  notion: {provider: notion}
  github: {provider: github, secret: "${env:S}"}
"""
BODIES: dict[str, Any] = {
    "POST /tokens": {"name": "new", "scopes": ["read"]},
    "POST /configs/check": {"text": ""},
    "POST /hold": {},
    "PUT /hold": {},
    "POST /runs": {"flow": "crm/x"},
    "POST /sources/{name}/learn": {},
}


@pytest.fixture
def admin(database: Database, tmp_path: Path) -> AdminClient:
    path = tmp_path / "given.yaml"
    path.write_text(ROUTES)
    environ = {"K": "k", "U": "u", "S": "s"}
    return AdminClient(database, tmp_path, load(path, environ, strict_secrets=False))


def problem_of(answer: Any) -> str:
    return str(answer.get_json()["type"]).removeprefix(TYPE_PREFIX)


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("endpoint", UPKEEP, ids=lambda one: f"{one.method} {one.path}")
@pytest.mark.parametrize("scopes", [(Scope.READ,), OPERATOR, ADMIN], ids=str)
def test_each_endpoint_wants_its_scope(
    admin: AdminClient,
    endpoint: Any,
    scopes: tuple[Scope, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluate_here(monkeypatch)
    admin.token(scopes)
    token = admin.items("/tokens")[0] if scopes == ADMIN else None
    path = (
        endpoint.path.replace("{name}", "asana")
        .replace("{platform}/{id}", "crm/run")
        .replace("{id}", token["id"] if token else "tok_x")
    )
    body = BODIES.get(f"{endpoint.method} {endpoint.path}")
    answer = admin.send(endpoint.method, path, body=body, scopes=scopes)
    if endpoint.scope in scopes or Scope.ADMIN in scopes:
        # a platform of type http has no runs, and this one cannot be reached
        answers = {"/runs": 502, "/runs/{platform}/{id}": 404, "/runs/{platform}/{id}/kill": 404}
        found = answers.get(endpoint.path, endpoint.status)
        assert answer.status_code == found, answer.text
    else:
        assert problem_of(answer) == "missing_scope"


def test_a_token_is_shown_once_and_ends_at_once(
    admin: AdminClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    body = {"name": "ci", "scopes": ["read", "act"], "expires": "90d"}
    answer = admin.send("POST", "/tokens", body=body)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    made = answer.get_json()
    secret = made.pop("token")
    headers = {"Authorization": f"Bearer {secret}"}
    assert admin.client.get("/admin/v1/", headers=headers).get_json()["scopes"] == ["read", "act"]
    listed = admin.get("/tokens")
    assert secret not in listed.text
    assert {**made, "last_used_at": None} in [
        {**one, "last_used_at": None} for one in listed.get_json()["items"]
    ]
    assert admin.get(f"/tokens/{made['id']}").get_json()["name"] == "ci"
    assert admin.get("/tokens/ci").get_json()["id"] == made["id"]
    assert problem_of(admin.send("DELETE", "/tokens/ci")) == "not_found"  # the whole id only
    gone = admin.send("DELETE", f"/tokens/{made['id']}")
    assert (gone.status_code, gone.data) == (204, b"")
    assert admin.client.get("/admin/v1/", headers=headers).status_code == 401
    assert problem_of(admin.send("DELETE", f"/tokens/{made['id']}")) == "not_found"
    assert problem_of(admin.get(f"/tokens/{made['id']}")) == "not_found"
    assert secret not in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x"},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
        {"name": " x", "scopes": ["read"]},
        {"name": "fbt_x", "scopes": ["read"]},
        {"name": "x", "scopes": ["read"], "expires": "soon"},
        {"name": "x", "scopes": ["read"], "expires_at": "1d"},
    ],
    ids=str,
)
def test_a_wrong_token_is_refused(admin: AdminClient, body: dict[str, Any]) -> None:
    assert problem_of(admin.send("POST", "/tokens", body=body)) == "invalid_body"
    assert len(admin.items("/tokens")) == 1


def test_starts_are_held_and_released(admin: AdminClient) -> None:
    event = make_event("gh-1")
    events.add(admin.database, event, (make_delivery(event),), lambda *_: [])
    assert admin.get("/hold").get_json()["since"] is None
    held = admin.send("PUT", "/hold", body={"reason": "the CRM is being moved"}).get_json()
    assert held["since"] is not None
    again = admin.send("PUT", "/hold", body={}).get_json()
    assert again["reason"] == "the CRM is being moved"
    assert (again["before"], again["after"]) == (1, 0)
    assert admin.get("/hold").get_json() == again
    assert admin.send("DELETE", "/hold").get_json()["since"] is None
    assert admin.send("POST", "/hold/release").status_code == 200
    named = admin.send("POST", "/hold", body={}).get_json()
    assert named["reason"].startswith("held by ")


def test_a_source_learns_its_secret_for_a_while(admin: AdminClient) -> None:
    path = "/sources/asana/learn"
    assert admin.get(path).get_json()["until"] is None
    opened = admin.send("POST", path, body={"seconds": 60}).get_json()
    assert opened["until"] is not None
    assert admin.get(path).get_json() == opened
    assert admin.send("DELETE", path).get_json()["until"] is None
    admin.send("POST", path, body={"seconds": 60})
    assert admin.send("POST", path, body={"seconds": 0}).get_json()["until"] is None
    assert problem_of(admin.send("POST", path, body={"seconds": 3601})) == "invalid_body"
    for name in ("github", "nothing"):
        answer = admin.send("POST", f"/sources/{name}/learn", body={})
        assert problem_of(answer) == "not_found"


def test_a_secret_that_a_person_must_see_is_not_learned_over_the_api(admin: AdminClient) -> None:
    answer = admin.send("POST", "/sources/notion/learn", body={})
    assert problem_of(answer) == "invalid_parameter"
    assert "flowbridge learn notion" in answer.get_json()["detail"]


def test_a_run_is_ended(admin: AdminClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(_platform: Any, run_id: str) -> KillReport:
        return KillReport(accepted=run_id == "r", detail="" if run_id == "r" else "no")

    monkeypatch.setattr(platform_queries, "kill_run", kill)
    monkeypatch.setattr(platform_queries, "read_run", lambda *_: RunReport(state=None))
    ended = admin.send("POST", "/runs/gumloop/r/kill", scopes=OPERATOR).get_json()
    assert (ended["killed"], ended["detail"]) == (True, None)
    refused = admin.send("POST", "/runs/gumloop/x/kill", scopes=OPERATOR).get_json()
    assert (refused["killed"], refused["detail"]) == (False, "no")
    assert problem_of(admin.send("POST", "/runs/nothing/x/kill")) == "not_found"


def test_a_run_is_started_by_hand_and_read(database: Database, tmp_path: Path) -> None:
    with FakePlatform() as platform:
        admin = admin_of(database, tmp_path, platform)
        answer = admin.send(
            "POST", "/runs", body={"flow": "gumloop/echo", "inputs": {"titel": "hi"}}
        )
        [run_id] = platform.runs
        location = f"/admin/v1/runs/gumloop/{run_id}"
        assert (answer.status_code, answer.headers["Location"]) == (201, location)
        started = answer.get_json()
        assert (started["outcome"], started["run_id"]) == ("started", run_id)
        assert started["notes"] == [
            "the flow has no input 'titel'; did you mean `title`? it has: title, labels"
        ]
        platform.runs[run_id].ends_at = 0.0
        report = admin.get(f"/runs/gumloop/{run_id}").get_json()
        assert (report["run_state"], report["outputs"]) == ("done", {"titel": "hi"})
        hidden = admin.get(f"/runs/gumloop/{run_id}", scopes=(Scope.READ,)).get_json()
        assert (hidden["run_state"], hidden["outputs"], hidden["log"]) == ("done", None, [])
        gone = admin.get("/runs/gumloop/nothing").get_json()
        assert (gone["run_state"], gone["gone"]) == (None, True)


def test_a_request_that_is_repeated_starts_no_second_run(
    database: Database, tmp_path: Path
) -> None:
    key = {"Idempotency-Key": "night-1"}
    body = {"flow": "gumloop/echo", "inputs": {"title": "hi"}}
    with FakePlatform() as platform:
        admin = admin_of(database, tmp_path, platform)
        first, again = (admin.send("POST", "/runs", body=body, headers=key) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201)
        assert (again.get_json(), again.headers["Location"]) == (
            first.get_json(),
            first.headers["Location"],
        )
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"
        assert len(platform.runs) == 1
        other = {"flow": "gumloop/echo", "inputs": {"title": "bye"}}
        reused = admin.send("POST", "/runs", body=other, headers=key)
        assert problem_of(reused) == "idempotency_key_reused"
        assert admin.send("POST", "/runs", body=body).status_code == 201
        assert len(platform.runs) == 2


def test_a_request_that_a_rival_overtakes_gets_the_answer_of_the_rival(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"Idempotency-Key": "night-4"}
    find = run_requests.find
    with FakePlatform() as platform:
        admin = admin_of(database, tmp_path, platform)
        admin.send("POST", "/runs", body={"flow": "gumloop/echo"}, headers=key)
        for flow, status in (("gumloop/echo", 201), ("gumloop/always-fails", 409)):
            seen_late = iter([None])  # the rival came after the first look
            monkeypatch.setattr(
                run_requests, "find", lambda *named, late=seen_late: next(late, find(*named))
            )
            again = admin.send("POST", "/runs", body={"flow": flow}, headers=key)
            assert again.status_code == status
        assert len(platform.runs) == 1


def test_a_request_whose_outcome_is_not_known_starts_no_second_run(
    database: Database, tmp_path: Path
) -> None:
    body = {"flow": "gumloop/echo"}
    key = {"Idempotency-Key": "night-2"}
    with FakePlatform() as platform:
        platform.faults = ["drop"]
        admin = admin_of(database, tmp_path, platform)
        lost, again = (admin.send("POST", "/runs", body=body, headers=key) for _ in range(2))
    assert (problem_of(lost), problem_of(again)) == ("platform_failed", "outcome_unknown")
    assert len(platform.starts) == 1


def test_a_request_that_started_nothing_may_be_sent_again(
    database: Database, tmp_path: Path
) -> None:
    key = {"Idempotency-Key": "night-3"}

    def start(flow: str) -> Any:
        return admin.send("POST", "/runs", body={"flow": flow}, headers=key)

    with FakePlatform() as platform:
        admin = admin_of(database, tmp_path, platform)
        assert problem_of(start("gumlop/echo")) == "invalid_body"
        platform.faults = [429]
        assert start("gumloop/echo").get_json()["outcome"] == "throttled"
        started = start("gumloop/echo")
    assert started.status_code == 201
    assert "Idempotent-Replayed" not in started.headers


def test_a_start_without_an_answer_is_recorded(database: Database, tmp_path: Path) -> None:
    with FakePlatform() as platform:
        platform.faults = ["drop"]
        admin = admin_of(database, tmp_path, platform)
        answer = admin.send("POST", "/runs", body={"flow": "gumloop/echo"})
    assert problem_of(answer) == "platform_failed"
    assert "It was sent, so a run may exist." in answer.get_json()["detail"]
    newest = next(audit.list_entries(database))
    assert (newest.action, newest.subject) == ("run_started", "gumloop/echo (outcome unknown)")


def test_a_start_of_a_flow_that_its_platform_lacks_names_those_that_it_has(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = Outcome(kind=OutcomeKind.REJECTED, detail="HTTP 404 not_found", status_code=404)
    monkeypatch.setattr(platform_queries, "start_run", lambda *_: unknown)
    with FakePlatform() as platform:
        admin = admin_of(database, tmp_path, platform)
        answer = admin.send("POST", "/runs", body={"flow": "gumloop/eco"})
    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    lost = answer.get_json()
    assert (lost["outcome"], lost["run_id"]) == ("rejected", None)
    assert "did you mean `echo`?" in lost["hint"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "/flow"),
        ({"flow": ""}, "/flow"),
        ({"flow": "echo"}, "routes.yaml has no flow 'echo'"),
        ({"flow": "gumlop/echo"}, "did you mean `gumloop`?"),
        ({"flow": "gumloop/echo", "inputs": []}, "/inputs"),
        ({"flow": "gumloop/echo", "input": {}}, "/input"),
    ],
)
def test_a_wrong_start_is_refused(
    database: Database, tmp_path: Path, body: dict[str, Any], said: str
) -> None:
    with FakePlatform() as platform:
        answer = admin_of(database, tmp_path, platform).send("POST", "/runs", body=body)
        assert problem_of(answer) == "invalid_body"
        assert said in answer.get_json()["detail"]
        assert not platform.runs


def test_a_start_without_a_required_input_is_refused(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = (InputNode(name="title", required=True),)
    monkeypatch.setattr(given_inputs, "try_to_list_inputs", lambda *_: nodes)
    answer = admin.send("POST", "/runs", body={"flow": "gumloop/x", "inputs": {"other": 1}})
    assert problem_of(answer) == "invalid_body"
    assert answer.get_json()["detail"] == "the flow 'x' requires title"


def admin_of(database: Database, tmp_path: Path, platform: FakePlatform) -> AdminClient:
    """A client of a bridge with this platform."""
    path = tmp_path / "routes.yaml"
    path.write_text(
        "version: 1\nplatforms:\n  gumloop: {type: gumloop, api_key: fake-key, user_id: fake-user,"
        f' base_url: "{platform.base_url}"}}\n'
    )
    return AdminClient(database, tmp_path, load(path, {}, strict_secrets=False))
