"""The log of operations: items are stored before any is processed, results in the same commit."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from records import NOW, make_delivery, make_event
from sqlalchemy import Connection, select, update

from bridge.core.errors import NotFound, StoreError
from bridge.core.model import Delivery, Status
from bridge.core.operations import OPEN_ITEMS, Operation, StepOutcome
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import control, log, operation_records
from bridge.store.operations.actions import MOVES, ItemResult, MoveHandler
from bridge.store.tables import schema

CANCEL = MoveHandler(move=MOVES["cancel"], to=Status.CANCELLED, reason="cancelled by a person")


def queued(database: Database, count: int) -> list[Delivery]:
    made = [make_delivery(make_event(None)) for _ in range(count)]
    events.add_all(
        database, [(make_event(None, id=one.event_id), [one]) for one in made], lambda *_: []
    )
    return made


def begin(database: Database, ids: Sequence[str], **asked: object) -> Operation:
    return log.begin(
        database,
        f"act_{len(ids)}",
        command="cancel",
        actor="ana@ops",
        request=asked,
        ids=ids,
        now=NOW,
    )


def go_on(
    database: Database,
    one: Operation,
    doing: log.OperationHandler = CANCEL,
    now: float = NOW + 1,
    most: int = 50,
) -> list[ItemResult]:  # type: ignore[type-arg]
    found: list[ItemResult] = []
    while results := log.advance(database, one, doing, now, most):
        found += results
    return found


def again(database: Database, one: Operation) -> Operation:
    return operation_records.find(database, one.id)


def test_an_act_is_kept_with_who_what_and_all_that_it_chose(database: Database) -> None:
    ids = [one.id for one in queued(database, 3)]
    one = begin(database, ids, filters={"route": "triage"}, rate="5/s")
    assert (one.command, one.actor, one.created_at) == ("cancel", "ana@ops", NOW)
    assert one.request == {
        "command": "cancel",
        "filters": {"route": "triage"},
        "how": {"rate": "5/s"},
    }
    assert (one.count, one.left, one.finished_at) == (3, 3, None)
    assert [
        (item.number, item.item_id, item.outcome)
        for item in operation_records.list_items(database, one)
    ] == [(number, id_, None) for number, id_ in enumerate(ids, 1)]


def test_its_items_say_what_became_of_each(database: Database) -> None:
    ids = [one.id for one in queued(database, 3)]
    one = begin(database, [*ids, "dlv_none"])
    results = go_on(database, one, most=2)
    assert [result.id for result in results] == [*ids, "dlv_none"]
    now = again(database, one)
    assert (now.done, now.refused, now.left, now.last_progress_at, now.finished_at) == (
        3,
        1,
        0,
        NOW + 1,
        NOW + 1,
    )
    items = list(operation_records.list_items(database, now))
    assert [(item.outcome, item.was, item.became, item.at) for item in items[:3]] == [
        (StepOutcome.DONE, "queued", "cancelled", NOW + 1)
    ] * 3
    assert (items[3].outcome, items[3].problem) == (StepOutcome.REFUSED, "no such delivery")
    assert [
        item.number
        for item in operation_records.list_items(database, now, outcome=StepOutcome.REFUSED)
    ] == [4]
    assert list(operation_records.list_items(database, now, outcome=OPEN_ITEMS)) == []
    assert [item.number for item in operation_records.list_items(database, now, limit=2)] == [1, 2]


def test_many_items_are_written_in_several_commits_and_count_once_all_are_there(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed meanwhile leaves an act that never began."""
    monkeypatch.setattr(log, "PAGE_ITEMS", 2)
    ids = [f"dlv_{number}" for number in range(5)]
    write = database.write
    seen = []

    def watched(work):  # type: ignore[no-untyped-def]
        value = write(work)
        with database.read() as connection:
            seen.append(connection.execute(select(schema.act.c.chosen)).scalar_one())
        return value

    monkeypatch.setattr(database, "write", watched)
    one = begin(database, ids)
    assert (seen, one.count) == ([None, None, 5], 5)
    assert [item.item_id for item in operation_records.list_items(database, one)] == ids
    assert [item.number for item in operation_records.list_items(database, one, limit=3)] == [
        1,
        2,
        3,
    ]


@dataclass
class Failing:
    """Does as `CANCEL`, until the disk is full."""

    left: int
    asked: list[str] = field(default_factory=list)

    def prepare(self, database: Database, ids: Sequence[str], now: float, /) -> Sequence[str]:
        return CANCEL.prepare(database, ids, now)

    def carry_out(
        self, connection: Connection, prepared: Sequence[str], now: float, /
    ) -> list[ItemResult]:
        results = CANCEL.carry_out(connection, prepared, now)
        self.asked += prepared
        self.left -= 1
        if self.left < 0:
            raise StoreError("database or disk is full")
        return results


def test_what_fails_with_its_commit_is_neither_done_nor_marked_and_goes_on_later(
    database: Database,
) -> None:
    ids = [one.id for one in queued(database, 7)]
    one = begin(database, ids)
    failing = Failing(left=2)
    with pytest.raises(StoreError, match="disk is full"):
        go_on(database, one, failing, most=2)
    half = again(database, one)
    assert (half.done, half.left, half.finished_at) == (4, 3, None)
    found = events.deliveries_of(database, [f"evt_{id_[4:30]}" for id_ in ids])
    stand = [deliveries[0].status for deliveries in found.values()]
    assert stand == [Status.CANCELLED] * 4 + [Status.QUEUED] * 3
    assert [result.id for result in go_on(database, half, most=2)] == ids[4:]
    assert again(database, one).finished_at == NOW + 1


def test_two_who_go_on_with_one_act_share_its_items(database: Database) -> None:
    ids = [one.id for one in queued(database, 60)]
    one = begin(database, ids)
    found: list[list[ItemResult]] = [[], []]
    threads = [
        threading.Thread(target=lambda mine=mine: mine.extend(go_on(database, one, most=3)))
        for mine in found
    ]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    results = [*found[0], *found[1]]
    assert sorted(result.id for result in results) == sorted(ids)
    assert [result.problem for result in results] == [None] * 60
    now = again(database, one)
    assert (now.done, now.refused, now.left) == (60, 0, 0) and now.finished_at is not None


def test_who_goes_on_with_an_act_is_noted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "MAX_RESUMED", 2)
    one = begin(database, ["dlv_1"])
    for number, actor in enumerate(("bob@ops", "cat@ops", "dan@ops")):
        one = control.resume(database, one, actor, NOW + number)
    assert one.resumed == (("cat@ops", NOW + 1), ("dan@ops", NOW + 2))
    assert again(database, one) == one


def test_acts_are_listed_newest_first_and_found_by_the_beginning_of_an_id(
    database: Database,
) -> None:
    made = [begin(database, [f"dlv_{number}"] * (number + 1)) for number in range(3)]
    go_on(database, made[1])
    with database.engine.begin() as connection:
        connection.execute(
            update(schema.act).where(schema.act.c.seq == made[0].seq).values(created_at=NOW - 100)
        )
    assert [one.id for one in operation_records.list_operations(database)] == [
        "act_3",
        "act_2",
        "act_1",
    ]
    assert [one.id for one in operation_records.list_operations(database, limit=1)] == ["act_3"]
    assert [one.id for one in operation_records.list_operations(database, unfinished=True)] == [
        "act_3",
        "act_1",
    ]
    assert [one.id for one in operation_records.list_operations(database, since=NOW - 50)] == [
        "act_3",
        "act_2",
    ]
    assert operation_records.find(database, "act_1").id == "act_1"
    with pytest.raises(NotFound, match="several ids match 'act_'"):
        operation_records.find(database, "act_")
    for text in ("act_9", "act_%", "evt_"):
        with pytest.raises(NotFound, match="no operation has the id"):
            operation_records.find(database, text)


def test_what_was_done_to_a_delivery_is_found_by_its_id(database: Database) -> None:
    first, second = (one.id for one in queued(database, 2))
    go_on(database, begin(database, [first, second]))
    go_on(database, begin(database, [first]), now=NOW + 2)
    begin(database, [first, second, first])  # it did nothing yet
    told = [
        (act.id, item.item_id, item.outcome)
        for act, item in operation_records.operations_on(database, [first])
    ]
    assert told == [("act_2", first, "done"), ("act_1", first, "refused")]
    assert len(operation_records.operations_on(database, [first, second])) == 3
    assert [act.id for act, _ in operation_records.operations_on(database, [first], limit=1)] == [
        "act_1"
    ]
    assert operation_records.operations_on(database, []) == []
