"""Operations without a terminal: selected, begun, dropped halfway, resumed; on both stores."""

from __future__ import annotations

from itertools import islice

import pytest
from records import make_delivery, make_event

from bridge.core.errors import NotFound
from bridge.core.model import Status
from bridge.services.events.event_details import find_record
from bridge.services.operations import execution
from bridge.services.operations.handlers import make_move_handler
from bridge.services.selection import (
    Selection,
    select_deliveries,
    select_named_deliveries,
    select_named_events,
)
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations.actions import move_of
from bridge.store.operations.log import BATCH_ITEMS
from bridge.store.queries.filters import Filters

CANCEL = move_of("cancel", force=False)
ASKED = {"to": "cancelled", "reason": "cancelled by a person"}


def put_in(database: Database, count: int) -> list[str]:
    """Store so many events with a queued delivery each, and return the ids of the deliveries."""
    ids = []
    for number in range(count):
        event = make_event(str(number))
        delivery = make_delivery(event)
        events.add(database, event, [delivery], lambda *_: [])
        ids.append(delivery.id)
    return ids


def statuses(database: Database, ids: list[str]) -> set[Status]:
    found = [find_record(database, id_).found for id_ in ids]
    return {
        one.status
        for each in found
        if each
        for one in each.deliveries
        if one.id == each.delivery_id
    }


def test_an_operation_that_is_dropped_goes_on_where_it_was(database: Database) -> None:
    ids = put_in(database, BATCH_ITEMS + 1)
    chosen = select_deliveries(database, "cancel", CANCEL, Filters(route="triage"))
    assert chosen == Selection(ids=ids)
    begun = execution.begin_operation(
        database,
        "cancel",
        chosen.ids,
        actor="ann@api",
        asked=execution.describe_request({}, []) | ASKED,
    )
    assert (begun.left, statuses(database, ids)) == (len(ids), {Status.QUEUED})
    (first,) = islice(execution.do_items(database, begun, make_move_handler(database, begun)), 1)
    assert len(first) == BATCH_ITEMS
    again = execution.find_resumable(database, begun.id)
    assert again.left == 1
    again = execution.resume_operation(database, again, actor="bob@api")
    (rest,) = execution.do_items(database, again, make_move_handler(database, again))
    assert [(one.id, one.problem, one.became) for one in rest] == [(ids[-1], None, "cancelled")]
    assert statuses(database, ids) == {Status.CANCELLED}
    assert execution.find_resumable(database, begun.id).left == 0


def test_each_item_has_its_outcome_and_each_name_its_problem(database: Database) -> None:
    (one,) = put_in(database, 1)
    chosen = select_named_deliveries(database, [one, "dlv_none"], CANCEL)
    assert (chosen.ids, list(chosen.problems)) == ([one], ["dlv_none"])
    outcomes = []
    for _ in range(2):
        begun = execution.begin_operation(
            database, "cancel", chosen.ids, actor="ann@api", asked=ASKED
        )
        outcomes += [
            execution.outcome_json(begun.id, result)
            for results in execution.do_items(database, begun, make_move_handler(database, begun))
            for result in results
        ]
    assert [(each["ok"], each["problem"] is None) for each in outcomes] == [
        (True, True),
        (False, False),
    ]


def test_a_name_of_a_delivery_stands_for_its_event(database: Database) -> None:
    (one,) = put_in(database, 1)
    chosen = select_named_events(database, [one])
    assert find_record(database, None).found == find_record(database, chosen.ids[0]).found
    with pytest.raises(NotFound):
        find_record(database, "evt_none")


def test_a_request_is_stored_as_text_and_with_its_first_names_only() -> None:
    names = [f"dlv_{number}" for number in range(execution.MAX_STORED_NAMES + 1)]
    assert execution.describe_request(
        {"type_": "a.*", "body": b"\xff", "route": None}, names, limit=0, rate="5/s", force=False
    ) == {"filters": {"body": "\\xff", "type": "a.*"}, "names": names[:-1], "rate": "5/s"}
