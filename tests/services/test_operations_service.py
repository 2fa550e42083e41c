"""Operations without a terminal: selected, begun, dropped halfway, resumed; on both stores."""

from __future__ import annotations

from itertools import islice
from typing import Any

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
from bridge.store.operations import operation_records
from bridge.store.operations.actions import move_of
from bridge.store.operations.log import BATCH_ITEMS
from bridge.store.queries.filters import Filters

CANCEL = move_of("cancel", force=False)
REQUEST = {"command": "cancel", "how": {"reason": "cancelled by a person"}}


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
        request=REQUEST,
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
            database, "cancel", chosen.ids, actor="ann@api", request=REQUEST
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


def test_a_stored_request_can_be_sent_again() -> None:
    how = {"through": "triage"}
    body = {
        "command": "replay",
        "mode": "do",
        "filters": {"since": "1h", "where": ["body.a=1"]},
        "list": "events",
        "expect": 3,
        "how": how,
    }
    assert execution.describe_request(body, {"since": 0.0}, how) == {
        "command": "replay",
        "filters": {"since": "1970-01-01T00:00:00.000000Z", "where": ["body.a=1"]},
        "list": "events",
        "how": how,
    }
    ids = [f"evt_{number}" for number in range(execution.MAX_STORED_IDS)]
    body = {"command": "retry", "ids": ids}
    assert execution.describe_request(body, None, {}) == {"command": "retry", "ids": ids, "how": {}}
    body["ids"] = [*ids, "evt_more"]
    assert execution.describe_request(body, None, {}) == {"command": "retry", "how": {}}


@pytest.mark.parametrize(
    ("stored", "count", "request_"),
    [
        (
            {"filters": {"since": 60.0, "route": "triage"}, "through": "triage", "limit": 2},
            2,
            {
                "command": "replay",
                "filters": {"since": "1970-01-01T00:01:00.000000Z", "route": "triage"},
                "limit": 2,
                "how": {"through": "triage"},
            },
        ),
        (
            {"filters": {}, "names": ["evt_1"], "rate": "5/s"},
            1,
            {"command": "replay", "ids": ["evt_1"], "how": {"rate": "5/s"}},
        ),
        ({"filters": {}, "names": ["evt_1"]}, 9, {"command": "replay", "how": {}}),
    ],
    ids=["filters", "ids", "first ids of many"],
)
def test_a_request_that_an_earlier_version_stored_is_read(
    database: Database, stored: dict[str, Any], count: int, request_: dict[str, Any]
) -> None:
    ids = [f"evt_{number}" for number in range(count)]
    begun = execution.begin_operation(database, "replay", ids, actor="ann", request=stored)
    assert operation_records.find(database, begun.id).request == request_
