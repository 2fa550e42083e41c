"""Whole events in pages of few bodies and bytes, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from records import NOW, make_event

from bridge.core.model import Event
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.inbound import events
from bridge.store.queries import recorded_events
from bridge.store.queries.filters import Filters
from bridge.store.queries.recorded_events import UnreadableEvent, read_events


def add(database: Database, count: int, **changes: Any) -> list[Event]:
    made = [make_event(str(number), now=NOW + number, **changes) for number in range(count)]
    for one in made:
        events.add(database, one, [], lambda *_: [])
    return made


def read(database: Database, limit: int = 0, **filters: Any) -> list[Event]:
    return [
        replace(one, same_body_as=None)
        for one in read_events(database, Filters(**filters), limit)
        if isinstance(one, Event)
    ]


def test_whole_events_come_newest_first(database: Database) -> None:
    made = add(database, 120, body=b'{"n":2}')
    assert read(database) == made[::-1]
    assert read(database, limit=7) == made[:-8:-1]
    assert read(database, since=NOW + 118) == made[:-3:-1]
    assert read(database, source="none") == []


def test_a_page_has_few_bytes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    made = add(database, 5)
    monkeypatch.setattr(recorded_events, "MAX_PAGE_BYTES", 10)
    assert read(database) == made[::-1]


def test_one_that_cannot_be_decrypted_does_not_stop_the_others(database: Database) -> None:
    (plain,) = add(database, 1)
    sealed = Database(database.url.render_as_string(hide_password=False), Sealer(["A" * 43 + "="]))
    other = make_event("x", now=NOW + 5)
    events.add(sealed, other, [], lambda *_: [])
    sealed.close()
    first, second = read_events(database, Filters())
    assert isinstance(first, UnreadableEvent) and first.id == other.id
    assert "FLOWBRIDGE_ENCRYPTION_KEYS" in first.problem and second == plain
