"""Delay and debounce: routed by the planner, merged by the store, on both databases."""

from __future__ import annotations

import threading

import pytest
from ledger_steps import add, arrive, claim, get, record
from records import NOW, make_event
from sqlalchemy import select

from bridge.core.errors import ExpressionError
from bridge.core.model import Body, Debounce, Delivery, Status
from bridge.core.status import Outcome, OutcomeKind
from bridge.routing.expressions.compile import compile_expression
from bridge.routing.model import Debouncing, Flow, Ordering, Route
from bridge.routing.planner import MAX_KEY_LENGTH, plan
from bridge.store.db.database import Database
from bridge.store.tables import schema

FLOW = Flow(name="f", platform="local", saved_item_id="echo")


def planned(route: Route, value: object, now: float = NOW) -> Delivery:
    [one] = plan(make_event(None, now=now), Body(value=value), [route], now)
    return one


def route(**more: object) -> Route:
    return Route(name="triage", source="github", flow=FLOW, reshape=lambda _: {}, **more)  # type: ignore[arg-type]


# -- planning


def test_a_delay_is_when_it_is_due() -> None:
    assert planned(route(delay=30.0), {}).due_at == NOW + 30
    assert planned(route(), {}).due_at == NOW


def test_a_debounced_one_waits_for_the_next_and_says_how_long_at_most() -> None:
    one = planned(route(debounce=Debouncing(wait=30.0, max=300.0)), {})
    assert (one.due_at, one.debounce) == (NOW + 30, Debounce(key="", until=NOW + 300))


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("x", "x"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        ({"b": 1, "a": [2]}, '{"a":[2],"b":1}'),
        ("", ""),
        ("7", "7"),
    ],
)
def test_a_key_is_text(value: object, key: str) -> None:
    expression = compile_expression("body.k")
    one = planned(route(ordering=Ordering(key=expression)), {"k": value})
    assert one.order is not None and one.order.key == key
    one = planned(route(debounce=Debouncing(wait=1.0, max=2.0, key=expression)), {"k": value})
    assert one.debounce is not None and one.debounce.key == key


@pytest.mark.parametrize("value", ["x" * (MAX_KEY_LENGTH + 1), "a\0b", "a\nb"])
def test_a_key_that_is_no_short_line_is_known_by_its_digest(value: str) -> None:
    one = planned(route(ordering=Ordering(key=compile_expression("body.k"))), {"k": value})
    assert (
        one.order is not None and one.order.key.startswith("sha256:") and len(one.order.key) == 71
    )


def test_a_null_key_stands_in_no_line_and_is_not_merged() -> None:
    key = compile_expression("body.k")
    assert planned(route(ordering=Ordering(key=key)), {}).order is None
    one = planned(route(debounce=Debouncing(wait=30.0, max=60.0, key=key)), {})
    assert (one.debounce, one.due_at) == (None, NOW + 30)


def test_a_key_that_fails_parks_the_delivery() -> None:
    one = planned(route(ordering=Ordering(key=compile_expression("upper(body.k)"))), {"k": 5})
    assert (one.status, one.order) == (Status.DEAD, None)
    assert "needs string" in (one.reason or "")


def test_a_parked_one_waits_for_nothing_and_stands_in_line_only_to_hold_it() -> None:
    def fails(_: object) -> object:
        raise ExpressionError("no")

    broken = route(ordering=Ordering(key=compile_expression("body.k")), payload_schema=None)
    for blocks in (True, False):
        changed = Route(
            **{
                **{name: getattr(broken, name) for name in broken.__slots__},
                "reshape": fails,  # type: ignore[arg-type]
                "ordering": Ordering(key=compile_expression("body.k"), blocks=blocks),
            }
        )
        one = planned(changed, {"k": "a"})
        assert one.status is Status.DEAD and (one.order is not None) == blocks
    assert (
        planned(
            Route(
                **{
                    **{name: getattr(broken, name) for name in broken.__slots__},
                    "reshape": fails,
                    "ordering": None,  # type: ignore[arg-type]
                    "debounce": Debouncing(wait=1.0, max=2.0),
                }
            ),
            {},
        ).debounce
        is None
    )


# -- merging


def test_the_last_of_those_that_follow_each_other_goes(database: Database) -> None:
    first, second, third = (arrive(database, NOW + at) for at in (0, 10, 20))
    merged = [get(database, one) for one in (first, second)]
    assert [(one.status, one.merged_into) for one in merged] == [
        (Status.CANCELLED, second),
        (Status.CANCELLED, third),
    ]
    assert merged[0].reason == f"merged into a later one: {second}"
    assert (merged[0].finished_at, merged[1].finished_at) == (NOW + 10, NOW + 20)
    assert claim(database, now=NOW + 49) == []
    [held] = claim(database, now=NOW + 50)
    assert held.delivery.id == third


def test_none_waits_longer_than_the_first_may(database: Database) -> None:
    ids = [arrive(database, NOW + at) for at in range(0, 120, 20)]
    last = get(database, ids[-1])
    assert (last.due_at, last.debounce) == (NOW + 120, Debounce(key="k", until=NOW + 120))
    assert [one.delivery.id for one in claim(database, now=NOW + 120)] == ids[-1:]


def test_one_that_is_taken_on_is_not_merged_any_more(database: Database) -> None:
    first = arrive(database, NOW)
    [held] = claim(database, now=NOW + 30)
    second = arrive(database, NOW + 31)
    record(database, held, Outcome(kind=OutcomeKind.REFUSED, detail="down"), NOW + 32)
    third = arrive(database, NOW + 33)
    assert [get(database, one).status for one in (first, second, third)] == [
        Status.QUEUED,
        Status.CANCELLED,
        Status.QUEUED,
    ]
    assert get(database, third).debounce == Debounce(key="k", until=NOW + 31 + 120)


def test_other_keys_other_routes_and_none_are_left_alone(database: Database) -> None:
    ids = [
        arrive(database, NOW),
        arrive(database, NOW, key="other"),
        arrive(database, NOW, name="second"),
        *add(database, 2),
    ]
    assert {get(database, one).status for one in ids} == {Status.QUEUED}


def test_what_waits_for_a_slot_beyond_its_time_is_still_merged_and_goes_at_once(
    database: Database,
) -> None:
    arrive(database, NOW)
    late = arrive(database, NOW + 200)
    assert get(database, late).due_at == NOW + 120
    assert [one.delivery.id for one in claim(database, now=NOW + 200)] == [late]


def test_many_at_once_leave_one(database: Database) -> None:
    threads = [
        threading.Thread(target=lambda: [arrive(database, NOW + number) for number in range(10)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with database.read() as connection:
        rows = connection.execute(
            select(schema.delivery.c.status, schema.delivery.c.merged_into)
        ).all()
    assert sorted(row.status for row in rows) == ["cancelled"] * 39 + ["queued"]
    assert [row.merged_into is None for row in rows].count(True) == 1
