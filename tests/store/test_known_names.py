"""Names in the store: a bounded search refuses no name that it may have missed."""

from __future__ import annotations

import pytest
from records import make_delivery, make_event

from bridge.store.db import row_walk
from bridge.store.db.database import Database
from bridge.store.db.row_walk import Budget
from bridge.store.inbound import events
from bridge.store.queries.known_names import has_records, may_have_records


def test_names_are_found_in_the_store(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        event = make_event(str(number), source="github")
        route = "old" if number == 0 else "triage"
        events.add(database, event, (make_delivery(event, route),), lambda *_: [])
    for look in (has_records, may_have_records):
        found = [look(database, "route", name) for name in ("old", "triage", "none")]
        assert found == [True, True, False]
        assert [look(database, "source", name) for name in ("github", "none")] == [True, False]
        assert [look(database, "platform", name) for name in ("local", "none")] == [True, False]
    monkeypatch.setattr(row_walk, "FIRST_CHUNK_ROWS", 1)
    one_row = Budget(seconds=60, rows=1)
    assert may_have_records(database, "route", "none", one_row)
    assert may_have_records(database, "platform", "none", one_row)
