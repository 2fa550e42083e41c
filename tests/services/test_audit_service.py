"""Entries of the audit log: of changes, of access, and of logins."""

from __future__ import annotations

import pytest
from records import NOW

from bridge.core.audit import AuditAction, AuditActor
from bridge.core.errors import InvalidRequest, NotFound, StoreError
from bridge.services.access_tokens import create_token, remove_token
from bridge.services.audit import new_entry, record, record_done, record_login
from bridge.services.operations.execution import name_actor
from bridge.store import audit
from bridge.store.db.database import Database

ANN = AuditActor("ann", "203.0.113.9")


def words(database: Database) -> list[tuple[str, str, str | None, str | None]]:
    found = audit.list_entries(database)
    return [(one.action, one.actor, one.subject, one.client) for one in found][::-1]


def test_changes_of_tokens_are_recorded_without_their_secrets(database: Database) -> None:
    new, secret = create_token(database, "ci", "act", None, now=NOW, by=ANN)
    with pytest.raises(InvalidRequest):
        create_token(database, "ci", "act", None, now=NOW, by=ANN)
    remove_token(database, "ci", ANN)
    with pytest.raises(NotFound):
        remove_token(database, "ci", ANN)
    subject = f"{new.id} ci (read,act)"
    assert words(database) == [
        ("token_added", "ann", subject, "203.0.113.9"),
        ("token_removed", "ann", subject, "203.0.113.9"),
    ]
    assert secret not in str(list(audit.list_entries(database)))


def test_without_an_actor_it_is_the_user_of_the_machine(sqlite: Database) -> None:
    create_token(sqlite, "ci", "act", None, now=NOW)
    ((_, actor, _, client),) = words(sqlite)
    assert (actor, client) == (name_actor(None), None)


def test_logins_are_recorded(database: Database) -> None:
    record_login(database, ANN, accepted=True)
    record_login(database, AuditActor("console", "203.0.113.9"), accepted=False, subject="ticket")
    assert words(database) == [
        ("login", "ann", None, "203.0.113.9"),
        ("login_refused", "console", "ticket", "203.0.113.9"),
    ]


def test_only_an_action_that_can_be_refused_fails_without_its_entry(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("database or disk is full")

    monkeypatch.setattr(sqlite, "write", fail)
    with pytest.raises(StoreError):
        record(sqlite, AuditAction.EXPORTED, ANN)
    record_done(sqlite, AuditAction.RUN_KILLED, ANN, "local/run")
    record_login(sqlite, ANN, accepted=True)
    assert caplog.text.count("audit_failed") == 2


def test_texts_of_clients_are_bounded_lines() -> None:
    entry = new_entry(AuditAction.LOGIN, AuditActor("a\nb" * 200, "x\n"), "s\t" * 400)
    assert all(
        text is not None and text.isprintable() and len(text) <= 300
        for text in (entry.actor, entry.client, entry.subject)
    )
