"""The audit log in the store: with its change, bounded, encrypted, erased and pruned."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import NOW
from sqlalchemy import Connection, select

from bridge.core.audit import MAX_TEXT_CHARS, AuditAction, AuditEntry, clean_text
from bridge.store import audit
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import learned_secrets
from bridge.store.operations import prune_records
from bridge.store.queue import hold
from bridge.store.tables import schema

KEY = "k" * 43 + "="


def make_entry(number: int = 1, action: AuditAction = AuditAction.LOGIN) -> AuditEntry:
    return AuditEntry(
        id=f"aud_{number:026}",
        at=NOW + number,
        actor="ann@laptop",
        action=action,
        subject="tok_1",
        client="203.0.113.9",
    )


def add(database: Database, *entries: AuditEntry) -> None:
    for one in entries:
        audit.add_alone(database, one)


def test_entries_are_listed_newest_first_as_they_were_added(database: Database) -> None:
    entries = [make_entry(1), make_entry(2, AuditAction.EXPORTED), make_entry(3)]
    bare = replace(make_entry(4), subject=None, client=None)
    add(database, *entries, bare)
    assert list(audit.list_entries(database)) == [bare, *reversed(entries)]
    assert list(audit.list_entries(database, limit=1)) == [bare]
    assert [one.id for one in audit.list_entries(database, since=NOW + 3)] == [
        bare.id,
        entries[2].id,
    ]
    assert list(audit.list_entries(database, action="exported")) == [entries[1]]


def test_an_entry_is_stored_with_its_change_or_not_at_all(database: Database) -> None:
    def begin(connection: Connection) -> None:
        hold.begin(connection, "why", NOW, make_entry(1))
        raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        database.write(begin)
    assert list(audit.list_entries(database)) == []
    database.write(lambda connection: hold.begin(connection, "why", NOW, make_entry(1)))
    database.write(lambda connection: hold.begin(connection, "again", NOW, make_entry(2)))
    assert database.write(lambda connection: hold.release(connection, make_entry(3)))
    assert not database.write(lambda connection: hold.release(connection, make_entry(4)))
    learned_secrets.allow_learning(database, "asana", NOW, make_entry(5))
    assert [one.id[-1] for one in audit.list_entries(database)] == ["5", "3", "1"]


def test_the_oldest_go(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_AUDIT_ROWS", 4)
    add(database, *(make_entry(number) for number in range(1, 8)))
    assert [one.id[-1] for one in audit.list_entries(database)] == ["7", "6", "5", "4"]


def test_a_flood_of_exports_does_not_push_out_changes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_AUDIT_ROWS", 6)
    monkeypatch.setattr(audit, "MAX_ACCESS_ROWS", 3)
    flood = [
        make_entry(number, one)
        for number, one in enumerate(
            [AuditAction.EXPORTED, AuditAction.DOWNLOADED, AuditAction.LOGIN_REFUSED] * 4, 10
        )
    ]
    add(database, make_entry(1), make_entry(2), *flood)
    kept = list(audit.list_entries(database))
    assert kept[-2:] == [make_entry(2), make_entry(1)]
    assert kept[:-2] == flood[:-5:-1]
    changes = [make_entry(number, AuditAction.TOKEN_ADDED) for number in range(30, 35)]
    add(database, *changes)
    kept = list(audit.list_entries(database))
    assert kept == [*reversed(changes), flood[-1]]


def test_the_address_is_encrypted(database: Database) -> None:
    sealed = Database(database.url.render_as_string(hide_password=False), Sealer([KEY]))
    add(sealed, make_entry(1))
    with database.read() as connection:
        row = connection.execute(select(schema.audit)).one()
    assert "203.0.113.9" not in row.client
    assert (row.actor, row.subject) == ("ann@laptop", "tok_1")
    assert list(audit.list_entries(sealed)) == [make_entry(1)]
    assert audit.scrub(sealed, "203.0.113.9") == 1
    assert next(audit.list_entries(sealed)).client == audit.ERASED
    sealed.close()


def test_a_person_is_erased_from_it(database: Database) -> None:
    other = replace(make_entry(2), actor="Bob", subject=None, client=None)
    add(database, make_entry(1), other)
    assert audit.scrub(database, "nothing of it") == 0
    assert audit.scrub(database, "ann@laptop") == 1
    erased = replace(make_entry(1), actor=audit.ERASED)
    assert list(audit.list_entries(database)) == [other, erased]
    assert audit.scrub(database, "bob") == 1


def test_old_entries_are_pruned(database: Database) -> None:
    old = replace(make_entry(1), at=NOW - prune_records.AUDIT_SECONDS - 1)
    add(database, old, make_entry(2))
    works = prune_records.stale_state(database, None, NOW, None)  # type: ignore[arg-type]  # neither is used
    assert [database.write(work) for work in works] == [{"audit": 1}]
    assert list(audit.list_entries(database)) == [make_entry(2)]


def test_a_text_is_one_bounded_line() -> None:
    assert clean_text("a\nb\x1b[31m\u202e") == "a\ufffdb\ufffd[31m\ufffd"
    assert clean_text("x" * MAX_TEXT_CHARS) == "x" * MAX_TEXT_CHARS
    long = clean_text("x" * (MAX_TEXT_CHARS + 1))
    assert (len(long), long[-1]) == (MAX_TEXT_CHARS, "…")
