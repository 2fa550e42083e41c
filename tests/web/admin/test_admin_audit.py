"""The audit log over the admin API: what is recorded, and who reads it."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from admin_client import ADMIN_TOKEN, AdminClient
from console_client import ConsoleClient
from records import make_event

from bridge.api.problems import TYPE_PREFIX
from bridge.config.loader import load
from bridge.core.audit import AuditActor
from bridge.core.errors import StoreError
from bridge.core.scopes import Scope
from bridge.core.status import Outcome, OutcomeKind
from bridge.delivery.platforms.model import KillReport
from bridge.services.audit import record_login
from bridge.services.platforms import platform_queries
from bridge.store import audit
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.web.admin.streams import NDJSON

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources: {asana: {provider: asana}}
"""
READER = (Scope.READ, Scope.BODIES)
ACTOR = {"X-Flowbridge-Actor": "ann@laptop"}


@pytest.fixture
def admin(database: Database, tmp_path: Path) -> AdminClient:
    path = tmp_path / "given.yaml"
    path.write_text(ROUTES)
    made = AdminClient(database, tmp_path, load(path, {}, strict_secrets=False))
    made.token(tuple(Scope))
    made.token(READER)
    return made


def recorded(admin: AdminClient) -> list[tuple[str, str | None]]:
    """Return the actions with their subjects, oldest first, without those of the tests' tokens."""
    found = list(audit.list_entries(admin.database))[::-1]
    return [(one.action, one.subject) for one in found][2:]


def test_each_change_is_recorded_with_its_actor_and_address(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = KillReport(accepted=True)
    monkeypatch.setattr(platform_queries, "kill_run", lambda *_: killed)
    started = Outcome(kind=OutcomeKind.STARTED, run_id="run-1")
    monkeypatch.setattr(platform_queries, "start_run", lambda *_: started)
    body = {"name": "ci", "scopes": ["read"]}
    token = admin.send("POST", "/tokens", body=body, headers=ACTOR).get_json()
    admin.send("DELETE", f"/tokens/{token['id']}", headers=ACTOR)
    admin.send("POST", "/hold", body={"reason": "moving"}, headers=ACTOR)
    admin.send("POST", "/hold", body={}, headers=ACTOR)  # it stays as it is
    admin.send("POST", "/hold/release", headers=ACTOR)
    admin.send("POST", "/hold/release", headers=ACTOR)
    admin.send("POST", "/sources/asana/learn", body={"seconds": 60}, headers=ACTOR)
    admin.send("POST", "/sources/asana/learn", body={"seconds": 0}, headers=ACTOR)
    admin.send("POST", "/runs", body={"flow": "local/echo"}, headers=ACTOR)
    admin.send("POST", "/runs/local/run-1/kill", headers=ACTOR)
    assert recorded(admin) == [
        ("token_added", f"{token['id']} ci (read)"),
        ("token_removed", f"{token['id']} ci (read)"),
        ("hold_begun", "moving"),
        ("hold_released", None),
        ("learning_allowed", "asana"),
        ("learning_ended", "asana"),
        ("run_started", "local/echo"),
        ("run_killed", "local/run-1"),
    ]
    newest = next(audit.list_entries(admin.database))
    assert newest.actor == "act-admin-bodies-read (ann@laptop)"
    assert newest.client == "127.0.0.1"
    assert token["token"] not in str(list(audit.list_entries(admin.database)))


def test_behind_a_proxy_the_address_is_that_of_the_client(
    database: Database, tmp_path: Path
) -> None:
    trusted = (ip_network("127.0.0.0/8"),)
    proxied = ConsoleClient(database, tmp_path, trusted_proxies=trusted, expose=("admin",)).client
    for address, count in (("203.0.113.7", 21), ("198.51.100.7", 1)):
        answers = [
            proxied.get("/admin/v1/status", headers={"X-Forwarded-For": f"10.9.9.9, {address}"})
            for _ in range(count)
        ]
        assert {one.status_code for one in answers[:20]} == {401}
        assert [one.status_code for one in answers[20:]] == [429] * (count - 20)
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "X-Forwarded-For": "203.0.113.7"}
    assert proxied.post("/admin/v1/hold", json={}, headers=headers).status_code == 200
    assert next(audit.list_entries(database)).client == "203.0.113.7"


def test_refused_changes_are_not_recorded(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = KillReport(accepted=False, detail="no")
    monkeypatch.setattr(platform_queries, "kill_run", lambda *_: refused)
    admin.send("POST", "/runs/local/run-1/kill")
    unstarted = Outcome(kind=OutcomeKind.REJECTED, detail="no")
    monkeypatch.setattr(platform_queries, "start_run", lambda *_: unstarted)
    admin.send("POST", "/runs", body={"flow": "local/echo"})
    admin.send("POST", "/tokens", body={"name": " x", "scopes": ["read"]})
    admin.send("DELETE", "/tokens/tok_zz")
    admin.send("POST", "/hold", body={}, scopes=READER)
    assert recorded(admin) == []


def test_exports_and_downloads_are_recorded_without_contents(admin: AdminClient) -> None:
    event = make_event("gh-1")
    events.add(admin.database, event, (), lambda *_: [])
    admin.get(f"/events/{event.id}/body", scopes=READER)
    admin.get("/events", scopes=READER)  # a page is no export
    query = {"since": "7d", "body": "s3cret", "where": "body.a=s3cret"}
    admin.stream("/events", query, scopes=READER)
    admin.stream("/audit")
    assert recorded(admin) == [
        ("downloaded", f"body of {event.id}"),
        ("exported", "/events?body=…&since=7d&where=…"),
        ("exported", "/audit"),
    ]


def test_what_cannot_be_recorded_is_not_given_out(
    admin: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = make_event("gh-1")
    events.add(admin.database, event, (), lambda *_: [])

    def fail(*_: object) -> None:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(audit, "add_alone", fail)
    for path, accept in ((f"/events/{event.id}/body", "*/*"), ("/events", NDJSON)):
        answer = admin.get(path, scopes=READER, headers={"Accept": accept})
        assert answer.get_json()["type"] == f"{TYPE_PREFIX}store_unavailable"
    monkeypatch.undo()
    assert len(admin.stream("/events", scopes=READER)) == 1, "its place is free again"


@pytest.mark.parametrize("scopes", [(Scope.READ,), READER, (Scope.READ, Scope.ACT)], ids=str)
def test_it_needs_the_scope_admin(admin: AdminClient, scopes: Any) -> None:
    assert admin.get("/audit", scopes=scopes).status_code == 403
    headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    assert admin.client.get("/admin/v1/audit", headers=headers).status_code == 200


def test_it_is_listed_by_pages_and_filters(admin: AdminClient) -> None:
    for number in range(5):
        by = AuditActor(f"user-{number}", "203.0.113.9")
        record_login(admin.database, by, accepted=number != 2)
    first = admin.get("/audit", {"action": "login", "limit": 3}).get_json()
    assert [one["actor"] for one in first["items"]] == ["user-4", "user-3", "user-1"]
    assert first["items"][0] | {"id": "", "at": ""} == {
        "id": "",
        "at": "",
        "actor": "user-4",
        "action": "login",
        "subject": None,
        "client": "203.0.113.9",
    }
    query = {"action": "login", "limit": 3, "before": first["next"]}
    rest = admin.get("/audit", query).get_json()
    assert ([one["actor"] for one in rest["items"]], rest["complete"]) == (["user-0"], True)
    by_id = {"action": "login", "before": first["items"][-1]["id"]}
    assert admin.stream("/audit", by_id) == rest["items"]
    assert [one["actor"] for one in admin.items("/audit", action="login_refused")] == ["user-2"]
    assert admin.items("/audit", since="2030-01-01") == []
    wrong = admin.get("/audit", {"action": "loging"})
    assert wrong.get_json()["errors"][0]["near"] == "login"
