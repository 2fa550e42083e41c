"""Unknown deliveries: read together, on both databases, and the commands that settle one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from records import NOW, make_delivery, make_event
from sqlalchemy import event as hooks
from sqlalchemy import insert

from bridge.core.errors import NotFound
from bridge.core.model import Delivery, Status
from bridge.services.unknown.unknown_deliveries import (
    UnknownDelivery,
    read_unknown,
    read_unknown_deliveries,
)
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.tables import schema


def add_unknown(database: Database, number: int, flow: str = "echo") -> Delivery:
    """Store a delivery whose second call broke off, after one that was refused."""
    event = make_event(str(number), now=NOW + number, body=b"x" * 100)
    one = replace(make_delivery(event, status=Status.UNKNOWN), saved_item_id=flow)
    events.add(database, event, [one], lambda *_: [])
    attempts = [
        {
            "delivery_id": one.id,
            "number": attempt,
            "started_at": NOW,
            "finished_at": NOW + 1,
            "outcome": outcome,
            "detail": f"{outcome} {number}",
        }
        for attempt, outcome in ((1, "refused"), (2, "unknown"))
    ]
    with database.engine.begin() as connection:
        connection.execute(insert(schema.attempt), attempts)
    return one


def test_together_they_are_what_each_is_alone(database: Database) -> None:
    made = [add_unknown(database, 1), add_unknown(database, 2, "other"), add_unknown(database, 3)]
    ids = [one.id for one in reversed(made)]
    found = read_unknown_deliveries(database, [ids[0], "dlv_gone", *ids[1:]], None)
    assert list(found) == ids, "in their order, without deleted ones"
    for id_, one in found.items():
        assert one.as_json() == read_unknown(database, id_, None).as_json()
    assert [one.lost.detail for one in found.values() if one.lost] == [
        "unknown 3",
        "unknown 2",
        "unknown 1",
    ]
    assert {one.event.body for one in found.values()} == {b""}, "which no evidence shows"


def test_a_deleted_one_is_not_found(database: Database) -> None:
    assert read_unknown_deliveries(database, [], None) == {}
    with pytest.raises(NotFound, match="dlv_gone"):
        read_unknown(database, "dlv_gone", None)


def test_more_take_no_more_statements(database: Database) -> None:
    ids = [add_unknown(database, number).id for number in range(5)]
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    hooks.listen(database.engine, "before_cursor_execute", note)
    counts = []
    for some in (ids[:1], ids):
        asked.clear()
        read_unknown_deliveries(database, some, None)
        counts.append(len(asked))
    hooks.remove(database.engine, "before_cursor_execute", note)
    assert counts[0] == counts[1] <= 11, asked


def test_the_commands_quote_what_a_platform_chose() -> None:
    event = make_event("a")
    evidence = {"candidates": [{"run_id": "r1;id"}]}
    delivery = make_delivery(event, status=Status.UNKNOWN, evidence=evidence, on_unknown="hold")
    one = UnknownDelivery(
        event=event,
        delivery=delivery,
        lost=None,
        wait=None,
        at=NOW,
        confirm_seconds=0.0,
        has_runs=True,
    )
    [first, *_] = [command for command, _ in one.commands]
    assert first.line == f"flowbridge resolve {delivery.id} --as delivered --run-id 'r1;id'"
