"""Queries: filters, order, ids and unique prefixes, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from query_plans import record_plans
from records import NOW, make_delivery, make_event, put
from sqlalchemy import insert, update

from bridge.core.errors import NotFound
from bridge.core.model import OWN_SOURCE_NAME, DeadKind, Delivery, Event, Status
from bridge.store.db import row_walk as walk
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import event_feed, event_lookup
from bridge.store.queries import events as event_queries
from bridge.store.queries.filters import Filters
from bridge.store.queries.replay_routes import ReplayRoutes
from bridge.store.tables import schema


def keep(database: Database, event: Event, *deliveries: Delivery) -> Event:
    events.add(database, event, deliveries, lambda *_: [])
    return event


def ids(database: Database, limit: int = 50, **filters: object) -> list[str]:
    return [event.id for event, _ in event_queries.list_events(database, Filters(**filters), limit)]  # type: ignore[arg-type]


@pytest.fixture
def five(database: Database) -> list[Event]:
    """Five events of two sources, one second apart: dead, queued, without a delivery, dead and
    queued, of another source.
    """
    types = ("a.one", "a.two", "b", "a_one")
    made = [
        make_event(str(number), now=NOW + number, type=type_) for number, type_ in enumerate(types)
    ]
    keep(database, made[0], make_delivery(made[0], status=Status.DEAD))
    keep(database, made[1], make_delivery(made[1]))
    keep(database, made[2])
    keep(
        database,
        made[3],
        make_delivery(made[3], "other", status=Status.DEAD),
        make_delivery(made[3]),
    )
    other = make_event("9", now=NOW + 4, source="crm", type=None)
    return [*made, keep(database, other, make_delivery(other, "other"))]


def test_events_come_newest_first_with_all_their_deliveries(
    database: Database, five: list[Event]
) -> None:
    listed = list(event_queries.list_events(database, Filters()))
    assert [event.id for event, _ in listed] == [event.id for event in reversed(five)]
    routes = [[one.route for one in deliveries] for _, deliveries in listed]
    assert routes == [["other"], ["other", "triage"], [], ["triage"], ["triage"]]
    assert all(event.body == b"" and event.headers == {} for event, _ in listed)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"source": "crm"}, [4]),
        ({"source": "nobody"}, []),
        ({"type": "a.one"}, [0]),
        ({"type": "a.*"}, [1, 0]),
        ({"type": "a_one"}, [3]),
        ({"type": "*one"}, [3, 0]),
        ({"type": "a_*"}, [3]),
        ({"status": "dead"}, [3, 0]),
        ({"status": "none"}, [2]),
        ({"route": "other"}, [4, 3]),
        ({"route": "triage", "status": "dead"}, [0]),  # of one delivery, not of two
        ({"route": "triage", "status": "none"}, [4, 2]),  # no delivery by that route
        ({"since": NOW + 2}, [4, 3, 2]),
        ({"until": NOW + 2}, [1, 0]),
        ({"since": NOW + 1, "until": NOW + 3, "source": "github"}, [2, 1]),
    ],
    ids=str,
)
def test_filters(
    database: Database, five: list[Event], filters: dict[str, object], expected: list[int]
) -> None:
    assert ids(database, **filters) == [five[number].id for number in expected]


@pytest.mark.parametrize(
    ("filters", "is_listed"),
    [
        ({}, False),
        ({"status": "none"}, False),
        ({"since": NOW}, False),
        ({"source": OWN_SOURCE_NAME}, True),
        ({"type": "*"}, True),
        ({"type": "alert.*", "status": "none"}, True),
        ({"route": "triage", "status": "none"}, True),
    ],
    ids=str,
)
def test_flowbridges_own_events_are_left_out_unless_asked_for(
    database: Database, five: list[Event], filters: dict[str, Any], is_listed: bool
) -> None:
    alert = make_event("alert", now=NOW + 9, source=OWN_SOURCE_NAME, type="alert.raised")
    keep(database, alert)
    everything = set(ids(database, **filters))
    assert alert.id in everything
    asked = Filters(**filters).without_own
    listed = {event.id for event, _ in event_queries.list_events(database, asked)}
    assert everything - listed == (set() if is_listed else {alert.id})
    assert set(event_queries.event_ids(database, asked)) == listed
    assert event_queries.count(database, asked, of_deliveries=False) == len(listed)


def test_a_list_without_own_events_is_walked_in_its_order(store: Database) -> None:
    plans = record_plans(store)
    list(event_queries.list_events(store, Filters(status="none").without_own))
    steps = [plan.step for plan in plans if "event.source" in plan.statement]
    assert steps and not any("TEMP B-TREE" in step or "ix_event" in step for step in steps), steps


def test_a_pattern_of_types_has_case_and_one_special_character(
    database: Database,
) -> None:
    types = ("issues.x", "Issues.x", "Issues[x]?", "Issuesx", "Issues\\%y\nz", "É", "é")
    kept = {
        type_: keep(database, make_event(str(number), now=NOW + number, type=type_))
        for number, type_ in enumerate(types)
    }
    for pattern, expected in {
        "Issues*": types[4:0:-1],
        "issues*": ["issues.x"],
        "*[x]*": ["Issues[x]?"],
        "*?": ["Issues[x]?"],
        "*\\%*z": ["Issues\\%y\nz"],
        "É*": ["É"],
        "*s*]*": ["Issues[x]?"],
    }.items():
        assert ids(database, type=pattern) == [kept[each].id for each in expected], pattern


@pytest.fixture
def told(database: Database) -> list[Event]:
    """Six events: parked, refused by the platform, given up, not readable, waiting, and parked
    beside one that went.
    """
    made = [
        make_event(str(number), now=NOW + number, body=body) for number, body in enumerate(BODIES)
    ]
    ours = {"status": Status.DEAD, "dead_kind": DeadKind.OURS}
    keep(
        database,
        made[0],
        make_delivery(made[0], reason="the payload does not fit: 100% of a_b", **ours),
    )
    keep(
        database,
        made[1],
        make_delivery(
            made[1], status=Status.DEAD, dead_kind=DeadKind.PLATFORM, reason="HTTP 401 Unauthorized"
        ),
    )
    keep(
        database,
        made[2],
        make_delivery(
            made[2],
            status=Status.DEAD,
            dead_kind=DeadKind.PERSON,
            reason="resolved as dead: 100 of aXb",
        ),
    )
    made[3] = replace(made[3], problem="the body is not JSON: 401")
    keep(database, made[3])
    keep(database, made[4], make_delivery(made[4], reason="http 503"))
    keep(
        database,
        made[5],
        make_delivery(made[5], reason="Straße \\ 5%", **ours),
        make_delivery(made[5], "other"),
    )
    return made


BODIES = (
    b'{"id":"ord_1"}',
    b'{"id":"ord_%"}',
    b'{"id":"ORD_1"}',
    b"\x00ord_1\xff",
    "{'t':'grün'}".encode(),
    b'{"a\\b":"ord_12"}',
)


@pytest.mark.parametrize(
    ("filters", "of_events", "of_deliveries"),
    [
        ({"dead_kind": "ours"}, [5, 0], [5, 0]),
        ({"dead_kind": "platform"}, [1], [1]),
        ({"dead_kind": "person"}, [2], [2]),
        ({"reason": "http"}, [4, 1], [4, 1]),  # in any case
        ({"reason": "401"}, [3, 1], [1]),  # of events also in the problem
        ({"reason": "100%"}, [0], [0]),  # nothing in it is a wildcard
        ({"reason": "a_b"}, [0], [0]),
        ({"reason": "\\ 5%"}, [5], [5]),
        ({"reason": "straße"}, [5], [5]),
        ({"reason": "401", "status": "none"}, [3], []),
        ({"reason": "401", "status": "dead"}, [1], [1]),
        ({"reason": "401", "route": "triage"}, [1], [1]),
        ({"reason": "http 503", "dead_kind": "ours"}, [], []),
        ({"dead_kind": "ours", "route": "other"}, [], []),  # of one delivery, not of two
        ({"body": b"ord_1"}, [5, 3, 0], [5, 5, 0]),
        ({"body": b"ord_%"}, [1], [1]),
        ({"body": b"\x00ord_1\xff"}, [3], []),
        ({"body": "grün".encode()}, [4], [4]),
        ({"body": b'a\\b":"'}, [5], [5, 5]),
        ({"body": b"ord_1", "status": "dead"}, [5, 0], [5, 0]),
        ({"body": b"nowhere"}, [], []),
    ],
    ids=str,
)
def test_what_is_sought_in_reasons_and_bodies(
    database: Database,
    told: list[Event],
    filters: dict[str, object],
    of_events: list[int],
    of_deliveries: list[int],
) -> None:
    assert ids(database, **filters) == [told[number].id for number in of_events]
    if filters.get("status") != "none":
        found = event_queries.list_deliveries(database, Filters(**filters))  # type: ignore[arg-type]
        assert [one.event_id for one in found] == [told[number].id for number in of_deliveries]


def test_bodies_are_read_few_at_a_time_and_only_those_that_the_other_filters_leave(
    database: Database, told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "PAGE_BODIES", 2)  # so that six are three transactions
    read = database.read
    opened = []

    @contextmanager
    def counted() -> Iterator[object]:
        with read() as connection:
            opened.append(connection)
            yield connection

    monkeypatch.setattr(database, "read", counted)
    assert event_queries.event_ids(database, Filters(body=b"ord_1")) == [
        told[0].id,
        told[3].id,
        told[5].id,
    ]
    assert len(opened) == 4  # the last finds nothing more
    opened.clear()
    assert event_queries.event_ids(database, Filters(body=b"ord_1"), 1) == [told[5].id]
    assert len(opened) == 1
    assert (
        event_queries.count(database, Filters(body=b"ord_1", since=NOW + 3), of_deliveries=False)
        == 3
    )
    assert (
        event_queries.count(database, Filters(body=b"ord_1", dead_kind="ours"), of_deliveries=True)
        == 2
    )


def test_searching_bodies_never_holds_up_who_writes(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "PAGE_BODIES", 1)
    for number in range(3):
        keep(sqlite, make_event(str(number), body=b"x"))
    listing = event_queries.list_events(sqlite, Filters(body=b"x"), 0)
    found = [next(listing)[0].provider_id]
    keep(sqlite, make_event("late", body=b"x"))  # else it would wait for the lock until it fails
    assert found + [event.provider_id for event, _ in listing] == ["2", "1", "0"]


def test_of_which_events_something_goes_already_is_counted_by_route(
    database: Database, told: list[Event]
) -> None:
    every = [event.id for event in told]
    assert event_queries.count_started(database, every) == 2
    assert event_queries.count_started(database, every, ReplayRoutes(through="other")) == 1
    assert (
        event_queries.count_started(database, every, ReplayRoutes(through="nobody"))
        == event_queries.count_started(database, [])
        == 0
    )
    for one in list(event_queries.list_deliveries(database, Filters())):
        put(database, one.id, status="delivered", run_id="R")
    assert event_queries.count_started(database, every) == 5


def test_the_limit_counts_from_the_newest_and_0_is_all(
    database: Database, five: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "PAGE_ROWS", 2)  # so that five are three pages
    newest = [event.id for event in reversed(five)]
    for limit in range(6):
        assert ids(database, limit) == (newest[:limit] if limit else newest)
    assert event_queries.event_ids(database, Filters()) == newest[::-1]
    assert event_queries.event_ids(database, Filters(), 2) == newest[:2][::-1]


def test_all_is_streamed_while_more_comes_in(
    database: Database, five: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "PAGE_ROWS", 2)
    listing = event_queries.list_events(database, Filters(), 0)
    first = next(listing)
    keep(database, make_event("late"))
    assert [first[0].id, *(event.id for event, _ in listing)] == [
        event.id for event in reversed(five)
    ]


def test_deliveries_are_listed_by_filters_of_theirs_and_of_their_event(
    database: Database, five: list[Event]
) -> None:
    def routes(**filters: object) -> list[tuple[str, str]]:
        listed = event_queries.list_deliveries(database, Filters(**filters))  # type: ignore[arg-type]
        return [(one.route, one.status) for one in listed]

    assert len(routes()) == 5
    assert routes(status="dead") == [("other", "dead"), ("triage", "dead")]
    assert routes(source="crm") == [("other", "queued")]
    assert routes(type="a.*", status="queued") == [("triage", "queued")]
    assert routes(since=NOW + 1) == []  # deliveries are planned at NOW here
    assert (
        len(
            event_queries.delivery_ids(database, Filters(), also=schema.delivery.c.route == "other")
        )
        == 2
    )


def test_one_is_shown_by_any_of_its_ids(database: Database, five: list[Event]) -> None:
    event = five[3]
    first, second = events.deliveries_of(database, [event.id])[event.id]
    with database.engine.begin() as connection:
        connection.execute(
            update(schema.delivery).where(schema.delivery.c.id == second.id).values(run_id="Run22")
        )
        for number in (2, 1):
            connection.execute(
                insert(schema.attempt).values(delivery_id=second.id, number=number, started_at=NOW)
            )
    by = {
        event.id: None,
        first.id: first.id,
        second.id: second.id,
        "Run22": second.id,
        "Run2": second.id,
    }
    for text, asked in by.items():
        found = event_lookup.show(database, text)
        assert (found.event.id, found.delivery_id) == (event.id, asked)
        assert [one.id for one in found.deliveries] == [first.id, second.id]
        numbers = {key: [each.number for each in value] for key, value in found.attempts.items()}
        assert numbers == {first.id: [], second.id: [1, 2]}


def test_the_beginning_of_an_id_is_enough_where_no_other_has_it(database: Database) -> None:
    one = keep(database, make_event("1", id="evt_aab"))
    two = keep(database, make_event("2", id="evt_aac"))
    exact = keep(database, make_event("3", id="evt_aa"))
    assert event_lookup.find(database, "evt_aab")[0] == one.id
    assert event_lookup.find(database, "evt_aac")[0] == two.id
    assert event_lookup.find(database, "evt_aa")[0] == exact.id  # a whole id is never ambiguous
    with pytest.raises(NotFound, match=r"several ids match 'evt_a': evt_aa"):
        event_lookup.find(database, "evt_a")
    for text in ("", "evt_b", "dlv_1", "nothing", "evt_%", "%"):
        with pytest.raises(NotFound, match="no event, delivery or run"):
            event_lookup.find(database, text)


def test_no_ending_is_searched_that_begins_as_an_id(database: Database) -> None:
    keep(database, make_event("1", id="evt_aaevt_bb"))
    assert event_lookup.find(database, "t_bb")[0] == "evt_aaevt_bb"
    with pytest.raises(NotFound):
        event_lookup.find(database, "evt_bb")
    assert event_lookup.find(database, "evt_…t_bb")[0] == "evt_aaevt_bb"


def test_what_arrives_and_what_moves_is_seen_once_it_does(
    database: Database, five: list[Event]
) -> None:
    at_event, at_delivery = event_feed.newest_numbers(database)
    event = make_event("10")
    new = keep(database, event, make_delivery(event))
    assert new.id in [
        event.id for _, event in event_feed.next_events(database, at_event, Filters())
    ]
    moved = event_feed.next_deliveries(database, at_delivery, [], Filters())
    assert moved[-1][0] > at_delivery
    old = events.deliveries_of(database, [five[0].id])[five[0].id][0]
    assert old.id in [
        one.id for _, one in event_feed.next_deliveries(database, moved[-1][0], [old.id], Filters())
    ]
    with database.engine.begin() as connection:
        connection.execute(
            update(schema.delivery).where(schema.delivery.c.id == old.id).values(slot=True)
        )
    assert old.id in [
        one.id for _, one in event_feed.next_deliveries(database, moved[-1][0], [], Filters())
    ]
    assert event_feed.next_deliveries(database, moved[-1][0] + 100, [], Filters(source="crm")) == []


def test_an_empty_store_has_nothing(database: Database) -> None:
    assert (
        ids(database),
        event_queries.event_ids(database, Filters()),
        event_feed.newest_numbers(database),
    ) == (
        [],
        [],
        (0, 0),
    )


def test_lists_do_not_read_what_they_do_not_show(database: Database) -> None:
    event = make_event("1", body=b"x" * 100)
    keep(database, event, replace(make_delivery(event), inputs={"long": "x"}))
    assert next(event_queries.list_deliveries(database, Filters())).inputs is None
    [(_, [listed])] = event_queries.list_events(database, Filters())
    assert listed.inputs is None
