"""The changes since a cursor: a delivery is one whenever it comes to match; test_cli_serve.py has `tail`,
the real command.
"""

from __future__ import annotations

import pytest
from records import make_delivery, make_event
from sqlalchemy import update

from bridge.cli.bridge.changes import BridgeChange
from bridge.cli.commands.tail import print_change
from bridge.core.model import Delivery, Status
from bridge.services.change_tail import MAX_FOLLOWED, read_tail, start_tail
from bridge.services.records.event_records import EVENT
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries.filters import Filters
from bridge.store.tables import schema


def test_no_delivery_of_a_burst_is_skipped(database: Database) -> None:
    """One in flight that came later must not move a reader past those before it."""
    cursor = start_tail(database)
    event = make_event("1")
    planned = [make_delivery(event, route=f"route-{number}") for number in range(450)]
    events.add(database, event, planned, lambda *_: [])
    flight = {"status": "sending", "slot": True, "lease": "w", "lease_until": 0.0}
    with database.engine.begin() as connection:
        newest = update(schema.delivery).where(schema.delivery.c.id == planned[-1].id)
        connection.execute(newest.values(flight))
    followed: set[str] = set()
    for _ in range(4):
        changes, cursor = read_tail(database, cursor)
        followed |= {one.id for one in changes if isinstance(one, Delivery)}
    assert followed == {one.id for one in planned}


def test_a_delivery_without_changes_is_read_once_however_many_others_come(
    sqlite: Database,
) -> None:
    cursor = start_tail(sqlite)
    event = make_event("1")
    waiting = make_delivery(event)
    events.add(sqlite, event, [waiting], lambda *_: [])
    read_ids = []
    for number in range(3):
        event = make_event(f"other-{number}")
        others = [
            make_delivery(event, route=f"route-{place}", status=Status.SHADOW)
            for place in range(5 * MAX_FOLLOWED)
        ]
        events.add(sqlite, event, others, lambda *_: [])
        for _ in range(8):
            changes, cursor = read_tail(sqlite, cursor)
            read_ids += [change.id for change in changes]
    assert read_ids.count(waiting.id) == 1
    assert len(read_ids) == 1 + 1 + 3 * (1 + 5 * MAX_FOLLOWED)


@pytest.mark.parametrize(
    ("filters", "read_ids"),
    [
        (Filters(), ["queued", "sending", "dead"]),
        (Filters(status="dead"), ["dead"]),
        (Filters(status="sending"), ["sending"]),
        (Filters(dead_kind="platform"), ["dead"]),
        (Filters(dead_kind="ours"), []),
        (Filters(reason="http 401"), ["dead"]),
        (Filters(reason="HTTP 5"), []),
        (Filters(status="dead", route="another"), []),
        (Filters(status="dead", source="crm"), []),
    ],
    ids=str,
)
def test_a_delivery_is_read_ids_when_it_comes_to_what_is_asked_for(
    database: Database, filters: Filters, read_ids: list[str]
) -> None:
    cursor = start_tail(database, filters)
    event = make_event("1")
    one = make_delivery(event)
    events.add(database, event, [one], lambda *_: [])
    seen = []
    for values in (
        {"attempts": 0},
        {"status": "sending", "slot": True, "lease": "w", "lease_until": 0.0},
        {
            "status": "dead",
            "slot": False,
            "lease": None,
            "dead_kind": "platform",
            "reason": "HTTP 401 Unauthorized",
        },
    ):
        with database.engine.begin() as connection:
            connection.execute(update(schema.delivery).values(values))
        changes, cursor = read_tail(database, cursor, filters)
        seen += [str(change.status) for change in changes if isinstance(change, Delivery)]
    assert seen == read_ids
    assert list(read_tail(database, cursor, filters)[0]) == []


def test_a_submission_held_as_spam_is_shown_with_its_reason(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    event = make_event("1", spam="token: no token was sent")
    events.add(database, event, [], lambda *_: [])
    print_change(BridgeChange(0.0, event=EVENT.write(event, deliveries=())), as_json=False)
    line = capsys.readouterr().out
    assert "spam: token: no token was sent" in line and "no route matched" not in line
