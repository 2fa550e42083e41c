"""Wait reasons: each alone, which of several is reported, and the facts from the store."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ledger_steps import STARTED, add, claim, get, record
from records import NOW, make_delivery, make_event, put
from sqlalchemy import event, insert, update

from bridge.core.circuit_state import Circuit
from bridge.core.model import DeadKind, Debounce, Delivery, Order, Status
from bridge.core.rate_limits import Limits, Rate, RateState, day_of
from bridge.core.status import Outcome
from bridge.core.status import OutcomeKind as Came
from bridge.core.units import DAY
from bridge.delivery.wait_context import Wait, WaitContext
from bridge.delivery.wait_reasons import MAX_COUNTED_AHEAD, find_wait_reason
from bridge.routing.model import Config, Flow, Mode, Platform, Route
from bridge.store.db.database import Database
from bridge.store.queries.wait_facts import count_blocked_behind, find_waits
from bridge.store.queue import heartbeats
from bridge.store.queue.claim_round import ClaimLimits
from bridge.store.tables import schema

FREE = WaitContext(cap=5)
OPEN = Circuit(
    platform="local", failures=5, open_for=10.0, open_until=NOW + 7, reason="connection refused"
)
HALF = replace(OPEN, open_until=NOW - 1, probe_until=NOW + 40)
FULL = Circuit(platform="local", allowance=2, raise_at=NOW + 3)
DENIED = Circuit(
    platform="local", open_for=60.0, open_until=NOW + 50, reason="HTTP 401: unknown key"
)
PUT_OFF = Circuit(platform="local", not_before=NOW + 9)
USED_UP = RateState(day=day_of(NOW), starts=100)


def queued(**changes: object) -> Delivery:
    return replace(make_delivery(make_event(), route="triage"), **changes)  # type: ignore[arg-type]


HEAD = queued(id="dlv_head", status=Status.SENDING)
DUE_LATER = {"due_at": NOW + 30}


@pytest.mark.parametrize(
    ("changes", "around", "kind", "until", "says"),
    [
        ({}, WaitContext(), "platform", None, "routes.yaml no longer has the platform 'local'"),
        ({}, replace(FREE, is_paused=True), "paused", None, "the route 'triage' is paused"),
        (
            {},
            replace(FREE, absent="gone"),
            "flow",
            None,
            "the route 'triage' names the flow 'gone', which the local platform does not have; next"
            " step: restore it in flows.py",
        ),
        (
            {},
            replace(FREE, lacks_own=True),
            "flow",
            None,
            "it was planned for the flow 'echo', which the local platform does not",
        ),
        (DUE_LATER, FREE, "delay", NOW + 30, "it is not due yet"),
        (DUE_LATER | {"attempts": 1}, FREE, "retry", NOW + 30, "it waits for its next attempt"),
        (DUE_LATER | {"throttled": 1}, FREE, "retry", NOW + 30, "it waits for its next attempt"),
        (
            DUE_LATER | {"debounce": Debounce(key="k", until=NOW + 90)},
            FREE,
            "debounce",
            NOW + 30,
            "at most until 2025-11-24T16:01:30Z",
        ),
        (
            DUE_LATER | {"debounce": Debounce(key="k", until=NOW + 30)},
            FREE,
            "debounce",
            NOW + 30,
            "delays it again",
        ),
        ({}, replace(FREE, workers=0), "worker", None, "no worker is running"),
        (
            {},
            replace(FREE, circuit=OPEN),
            "circuit",
            NOW + 7,
            "local failed 5 times in a row (connection refused): its circuit is open",
        ),
        (
            {},
            replace(FREE, circuit=HALF),
            "circuit",
            NOW + 40,
            "one start tests whether local answers again",
        ),
        (
            {},
            replace(FREE, circuit=DENIED, workers=0),
            "credentials",
            NOW + 50,
            "unknown key); next step: correct them in .env, which flowbridge tests with one start",
        ),
        (
            {},
            replace(FREE, circuit=PUT_OFF),
            "circuit",
            NOW + 9,
            "local asked not to be called for a while",
        ),
        ({}, replace(FREE, used=5), "slots", None, "all 5 slots of local are taken"),
        ({}, replace(FREE, cap=1, used=1), "slots", None, "the only slot of local is taken"),
        (
            {},
            replace(FREE, limits=Limits(max_concurrent_runs=1), used_by_route=1),
            "route",
            None,
            "the route 'triage' has reached its limit of 1 run",
        ),
        ({}, replace(FREE, ahead=1), "turn", None, "1 delivery of its route is ahead of it"),
        (
            {},
            replace(FREE, used=2, circuit=FULL),
            "allowance",
            NOW + 3,
            "local reported that it is full at 2 runs; flowbridge tries one more later",
        ),
        (
            {},
            replace(FREE, limits=Limits(max_concurrent_runs=2), used_by_route=2),
            "route",
            None,
            "the route 'triage' has reached its limit of 2 runs",
        ),
        (
            {},
            replace(FREE, limits=Limits(max_runs_per_day=100), pace=USED_UP),
            "day",
            (day_of(NOW) + 1) * DAY,
            "its limit of 100 runs a day",
        ),
        (
            {},
            replace(
                FREE, limits=Limits(rate=Rate(count=6, per=60.0)), pace=RateState(next_at=NOW + 4)
            ),
            "pace",
            NOW + 4,
            "the route 'triage' starts at most 6 in 60 s",
        ),
        ({}, replace(FREE, ahead=12), "turn", None, "12 deliveries of its route are ahead of it"),
        (
            {},
            replace(FREE, ahead=MAX_COUNTED_AHEAD),
            "turn",
            None,
            "1000 or more deliveries of its route are ahead of it",
        ),
        ({}, FREE, "turn", None, "it is due and is sent next"),
        # routes.yaml is broken: it says nothing
        ({}, WaitContext(is_configured=False), "turn", None, "it is due and is sent next"),
        (
            {"status": Status.BLOCKED},
            replace(FREE, head=HEAD),
            "line",
            None,
            "behind dlv_head, which is sending",
        ),
        (
            {"status": Status.BLOCKED},
            replace(FREE, head=HEAD, before=1),
            "line",
            None,
            "behind dlv_head and 1 other; dlv_head",
        ),
        (
            {"status": Status.BLOCKED},
            replace(FREE, head=HEAD, before=3),
            "line",
            None,
            "behind dlv_head and 3 others; dlv_head",
        ),
        (
            {"status": Status.BLOCKED},
            FREE,
            "line",
            None,
            "no earlier delivery of its key is waiting",
        ),
        (
            {"status": Status.UNKNOWN},
            replace(FREE, look_at=NOW + 60),
            "unknown",
            NOW + 60,
            "list of runs later",
        ),
        (
            {"status": Status.UNKNOWN},
            replace(FREE, look_at=NOW - 1),
            "unknown",
            None,
            "list of runs now",
        ),
        (
            {"status": Status.UNKNOWN, "id": "dlv_1"},
            WaitContext(),
            "unknown",
            None,
            "it is not known whether the run started; next step: flowbridge resolve dlv_1",
        ),
    ],
)
def test_what_is_in_its_way(
    changes: dict[str, object], around: WaitContext, kind: str, until: float | None, says: str
) -> None:
    wait = find_wait_reason(queued(**changes), around, NOW)
    assert wait is not None
    assert (wait.kind, wait.until) == (kind, until)
    assert says in wait.detail
    assert wait.behind == (HEAD.id if around.head else None)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (
            Status.DEAD,
            "is dead and blocks its ordering key (on_dead: block) until it is retried or cancelled",
        ),
        (Status.UNKNOWN, "is unknown and must be settled first"),
        (Status.DELIVERED, "has started, and its run has not ended"),
        (Status.QUEUED, "is queued"),
    ],
)
def test_what_the_head_of_its_line_holds_it_by(status: Status, says: str) -> None:
    wait = find_wait_reason(
        queued(status=Status.BLOCKED), replace(FREE, head=replace(HEAD, status=status)), NOW
    )
    assert wait is not None and wait.detail.endswith(f"which {says}")


def test_of_several_the_one_that_a_person_has_to_change_is_named() -> None:
    everything = replace(FREE, is_paused=True, workers=0, circuit=OPEN, used=5, ahead=3)
    order = []
    for without in (
        {},
        {"is_paused": False},
        {"workers": 1},
        {"circuit": None},
        {"used": 0},
        {"ahead": 0},
    ):
        everything = replace(everything, **without)  # type: ignore[arg-type]
        wait = find_wait_reason(queued(), everything, NOW)
        assert wait is not None
        order.append(wait.kind)
    assert order == ["paused", "worker", "circuit", "slots", "turn", "turn"]


@pytest.mark.parametrize(
    "status", sorted(set(Status) - {Status.QUEUED, Status.BLOCKED, Status.UNKNOWN})
)
def test_what_does_not_wait_waits_for_nothing(status: Status) -> None:
    assert find_wait_reason(queued(status=status), FREE, NOW) is None


# -- as the stores have it

FLOW = Flow(name="local/echo", platform="local", saved_item_id="echo")


def configured(cap: int = 2, **route: object) -> Config:
    made = Route(name="triage", source="github", flow=FLOW, reshape=lambda _: {}, **route)  # type: ignore[arg-type]
    platforms = {"local": Platform(name="local", type="local", max_concurrent_runs=cap)}
    return Config(
        sources={}, routes=(made,), flows={}, platforms=platforms, hash="h", canonical="{}"
    )


@pytest.fixture
def working(database: Database) -> Database:
    """A store with a worker that is alive."""
    database.write(lambda connection: heartbeats.beat(connection, "w", "host", 1, NOW))
    return database


def wait_of(database: Database, delivery_id: str, config: Config | None, now: float = NOW) -> Wait:
    return find_waits(database, [get(database, delivery_id)], config, now)[delivery_id]


def test_a_worker_that_was_not_seen_lately_is_none(database: Database) -> None:
    [one] = add(database)
    assert wait_of(database, one, configured()).kind == "worker"
    database.write(lambda connection: heartbeats.beat(connection, "w", "host", 1, NOW))
    assert wait_of(database, one, configured()).detail == "it is due and is sent next"
    assert wait_of(database, one, configured(), NOW + 3600).kind == "worker"


def test_slots_are_counted_as_a_claim_counts_them(working: Database) -> None:
    ids = add(working, 4)
    assert (
        wait_of(working, ids[2], configured()).detail == "2 deliveries of its route are ahead of it"
    )
    held = claim(working, caps={"local": 2})
    assert wait_of(working, ids[2], configured()).kind == "slots"
    assert wait_of(working, ids[2], configured(3)).kind == "turn"
    limited = configured(9, limits=Limits(max_concurrent_runs=2))
    assert wait_of(working, ids[2], limited).kind == "route"
    # it holds its route's slot, not the platform's
    record(working, held[0], Outcome(kind=Came.UNKNOWN, detail="reset"))
    assert wait_of(working, ids[2], configured()).kind == "turn"
    assert wait_of(working, ids[2], limited).kind == "route"
    assert wait_of(working, ids[3], None).detail == "1 delivery of its route is ahead of it"


def test_what_routes_yaml_says_of_platform_and_route_counts(working: Database) -> None:
    one, other = add(working, platform="gone") + add(working, route="orphan")
    assert wait_of(working, one, configured()).kind == "platform"
    # a route that is gone pauses nothing
    assert wait_of(working, other, configured(mode=Mode.PAUSED)).kind == "turn"
    [mine] = add(working)
    assert wait_of(working, mine, configured(mode=Mode.PAUSED)).kind == "paused"


def test_circuit_and_pace_are_those_of_the_store(working: Database) -> None:
    [one] = add(working)
    with working.engine.begin() as connection:
        connection.execute(
            insert(schema.pace).values(route="triage", next_at=NOW + 5, day=day_of(NOW), starts=9)
        )
    paced = configured(limits=Limits(rate=Rate(count=1, per=60.0)))
    assert (wait_of(working, one, paced).kind, wait_of(working, one, paced).until) == (
        "pace",
        NOW + 5,
    )
    assert wait_of(working, one, configured(limits=Limits(max_runs_per_day=9))).kind == "day"
    with working.engine.begin() as connection:
        values = {
            "failures": 5,
            "open_for": 10.0,
            "open_until": NOW + 8,
            "raise_at": 0.0,
            "raise_for": 0.0,
            "not_before": 0.0,
        }
        connection.execute(
            insert(schema.circuit).values(platform="local", changed_at=NOW, **values)
        )
    assert (wait_of(working, one, paced).kind, wait_of(working, one, None).until) == (
        "circuit",
        NOW + 8,
    )


def test_a_blocked_one_names_the_head_of_its_line(working: Database) -> None:
    key = Order(key="k", blocks=True)
    head, second, third = add(working, 3, order=key)
    add(working, 2, order=Order(key="other"))
    add(working, 1, "elsewhere", order=key)
    wait = wait_of(working, third, configured())
    assert (wait.behind, wait.detail) == (head, f"behind {head} and 1 other; {head} is queued")
    assert [count_blocked_behind(working, get(working, one)) for one in (head, second, third)] == [
        2,
        0,
        0,
    ]
    # the trigger makes it the head
    put(working, head, status="dead", dead_kind=DeadKind.PLATFORM.value, holds_key=False)
    assert "is dead and blocks its ordering key" in wait_of(working, second, None).detail


def test_an_unknown_one_says_when_its_run_is_looked_for(working: Database) -> None:
    [one] = add(working)
    [held] = claim(working)
    record(working, held, Outcome(kind=Came.UNKNOWN, detail="reset"))
    assert wait_of(working, one, None).until is None
    with working.engine.begin() as connection:
        connection.execute(update(schema.delivery).values(poll_at=NOW + 70))
    assert wait_of(working, one, None).until == NOW + 70


def test_only_what_waits_is_looked_at(working: Database) -> None:
    one, other = add(working, 2)
    record(working, claim(working, caps={"local": 1})[0], STARTED)
    assert list(
        find_waits(working, [get(working, one), get(working, other)], configured(), NOW)
    ) == [other]


def test_flows_are_asked_for_once_however_many_wait(working: Database) -> None:
    waiting = [get(working, one) for one in add(working, 3)]
    with working.engine.begin() as connection:
        connection.execute(
            insert(schema.local_flow).values(
                id="other", workbook="", created_at=NOW, described="{}"
            )
        )
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(working.engine, "before_cursor_execute", note)
    waits = find_waits(working, waiting, configured(), NOW)
    event.remove(working.engine, "before_cursor_execute", note)
    assert len(waits) == 3 and {wait.kind for wait in waits.values()} == {"flow"}
    assert sum("local_flow" in statement for statement in asked) == 1


def test_what_is_said_is_what_a_claim_does(working: Database) -> None:
    """Each thing that is named is taken away: then the delivery is claimed, and not before."""
    [one] = add(working)
    limits = Limits(max_runs_per_day=1)
    with working.engine.begin() as connection:
        connection.execute(
            insert(schema.pace).values(route="triage", next_at=0.0, day=day_of(NOW), starts=1)
        )
    allowed = ClaimLimits(caps={"local": 2}, limits={"triage": limits})
    wait = wait_of(working, one, configured(limits=limits))
    assert wait.kind == "day" and wait.until is not None

    def taken(now: float) -> int:
        from bridge.store.queue import claims

        return len(
            working.write(
                lambda connection: claims.claim(
                    connection, allowed, limit=9, now=now, lease=f"w:{now}"
                )
            )
        )

    assert (taken(wait.until - 1), taken(wait.until)) == (0, 1)
