"""audit: what commands record, and the list of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lines, run
from records import make_event

from bridge.core.audit import AuditActor
from bridge.services.audit import record_login
from bridge.store import audit
from bridge.store.db.database import Database
from bridge.store.inbound import events

ROUTES = "version: 1\nsources: {contact: {provider: form}}\n"


@pytest.fixture
def project(folder: Path, store: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    (folder / "routes.yaml").write_text(ROUTES)
    monkeypatch.setenv("FLOWBRIDGE_ACTOR", "ann@laptop")
    return store


def test_commands_record_what_they_change_and_export(project: Database) -> None:
    (token,) = lines(run("token", "add", "ci", "--scope", "read", "--json"))
    run("token", "remove", "ci", "--yes")
    run("db", "hold", "--reason", "moving")
    run("db", "hold")  # it stays as it is
    run("db", "release", "--yes")
    run("export", "--source", "contact", "--as", "jsonl")
    run("db", "hold", "--restored", "2026-11-24T03:15Z")
    found = list(audit.list_entries(project))[::-1]
    assert [(one.action, one.subject) for one in found] == [
        ("token_added", f"{token['id']} ci (read)"),
        ("token_removed", f"{token['id']} ci (read)"),
        ("hold_begun", "moving"),
        ("hold_released", None),
        ("exported", "submissions of contact as jsonl"),
        ("store_restored", "as of 2026-11-24T03:15:00.000000Z"),
    ]
    assert {(one.actor, one.client) for one in found} == {("ann@laptop", None)}


def test_entries_are_listed_newest_first(project: Database) -> None:
    hostile = "\x1b[31mred"
    record_login(project, AuditActor("bob", "203.0.113.9"), accepted=True)
    record_login(project, AuditActor(hostile, "203.0.113.9"), accepted=False, subject="ticket")
    table = run("audit").stdout
    assert table.index("login_refused") < table.index("bob")
    assert "203.0.113.9" in table and "ticket" in table and "\x1b[31m" not in table
    newest, oldest = lines(run("audit", "--json"))
    assert newest.keys() == {"id", "at", "actor", "action", "subject", "client"}
    assert (oldest["action"], oldest["actor"], oldest["subject"]) == ("login", "bob", None)
    assert lines(run("audit", "--action", "login", "--json")) == [oldest]
    assert lines(run("audit", "--limit", "1", "--json")) == [newest]


def test_an_empty_log_says_so(project: Database) -> None:
    assert run("audit").stderr == "The audit log is empty.\n"
    assert run("audit", "--since", "1h").stderr == "No entries match.\n"
    assert run("audit", "--action", "x").exit_code == 2


def test_erase_covers_it(project: Database) -> None:
    record_login(project, AuditActor("ann@example.com", "203.0.113.9"), accepted=True)
    event = make_event(source="contact", provider="form", body=b'{"email":"ann@example.com"}')
    events.add(project, event, (), lambda *_: [])
    erased = run("erase", "ann@example.com", "--yes")
    assert "it was removed from 1 entry of the audit log" in erased.stderr, erased.stderr
    (entry,) = audit.list_entries(project)
    assert entry.actor == audit.ERASED
