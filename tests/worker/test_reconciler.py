"""Starts without an answer, with real stores and real sockets: their runs are found, or found
missing, and nothing is started twice.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forking import parent
from overviews import WELL
from recorded_log import Lines
from records import NOW, attempt_window, make_delivery, make_event
from servers import FakePlatform
from serving import until
from sqlalchemy import select
from sqlalchemy.event import listen
from worker_bench import (
    FAST,
    QUICK,
    attempts,
    configured,
    ended,
    get,
    gumloop,
    is_in,
    slots,
    wait,
    working,
)

from bridge.core.circuit_state import Circuit
from bridge.core.model import Delivery, Order, Retry, Status
from bridge.core.rate_limits import Limits
from bridge.core.status import PlatformStatus
from bridge.delivery import reconcile
from bridge.delivery.unknown_outcomes import WORKER_DIED
from bridge.monitoring.checks.platforms import find_open_circuits
from bridge.routing.model import Config, Flow, Route
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queue import reconcile as reconcile_store
from bridge.store.queue import run_tracking, transitions, unknown_starts
from bridge.store.queue.throttling import read_circuits, write_circuits
from bridge.store.tables import schema
from bridge.worker import reconciler

TIMEOUT = 60.0  # a call is in time even where the machine stands still before it
SOON = 0.1  # seconds from the intent of an attempt until its run is looked for
AGREE = 0.1
pytestmark = [
    pytest.mark.usefixtures("slow"),
    pytest.mark.usefixtures("quick_polling"),
    pytest.mark.timings(
        **QUICK,
        reconcile_first_seconds=0.05,
        reconcile_max_seconds=0.2,
        reconcile_confirm_seconds=AGREE,
    ),
]


def send(database: Database, route: str = "triage", *, echo: bool = True, **changes: Any) -> str:
    """One more event for the flow, which gives its inputs as outputs; with `echo` the event's id is
    among them.
    """
    now = time.time()
    event = make_event(None, now=now)
    given: dict[str, Any] = {
        "platform": "gumloop",
        "flow": "triage",
        "saved_item_id": "q3da",
        "retry": FAST,
        "on_unknown": "reconcile",
    }
    inputs = {"title": "Bug"} | ({"event_id": event.id} if echo else {})
    delivery = make_delivery(event, route, now=now, **{**given, "inputs": inputs, **changes})
    events.add(database, event, [delivery], lambda *_: [])
    return delivery.id


def config(
    fake: FakePlatform, *, exclusive: bool = False, routes: tuple[Route, ...] = (), **more: Any
) -> Config:
    flow = Flow(name="triage", platform="gumloop", saved_item_id="q3da", exclusive=exclusive)
    return replace(
        configured(gumloop(fake, **{"timeout": TIMEOUT, **more}), routes=routes),
        flows={"triage": flow},
    )


@contextmanager
def reconciling_worker(database: Database, given: Config) -> Iterator[None]:
    """A worker that looks for a run soon after the intent of its attempt, however long a call may
    take: no test waits for that time.
    """
    after = SOON - given.platforms["gumloop"].timeout
    with working(database, given, reconcile_after=after):
        yield


def look_now(database: Database, delivery_id: str) -> None:
    """Let the run of a delivery be looked for at once: a worker with the usual times has put it
    off until its call cannot be under way any more.
    """
    delivery = schema.delivery.update().where(schema.delivery.c.id == delivery_id)
    database.write(lambda connection: connection.execute(delivery.values(poll_at=time.time())))


def evidence(one: Delivery) -> dict[str, Any]:
    assert isinstance(one.evidence, dict)
    return one.evidence


def held(database: Database, delivery_id: str) -> Delivery:
    """The delivery once it is left to a person."""

    def is_held() -> bool:
        with database.read() as connection:
            row = connection.execute(
                select(schema.delivery).where(schema.delivery.c.id == delivery_id)
            ).one()
            return row.status == "unknown" and row.poll_at is None

    until(is_held, what="a hold")
    return get(database, delivery_id)


# -- the platform names another flow


@pytest.mark.parametrize("on_unknown", ["reconcile", "retry", "hold"])
def test_a_run_of_another_flow_is_never_the_deliverys_and_a_person_decides(
    database: Database, on_unknown: str
) -> None:
    with FakePlatform() as fake, reconciling_worker(database, config(fake, exclusive=True)):
        fake.faults = ["other flow"]
        one = held(database, send(database, on_unknown=on_unknown))
        wait(database, [send(database)], ended)  # the worker has gone on meanwhile
        assert (len(fake.starts), fake.lists, get(database, one.id).status) == (2, 0, "unknown")
    assert (one.status, one.run_id, one.attempts) == ("unknown", None, 1)
    run_id = next(run.id for run in fake.runs.values() if run.saved_item_id == "another")
    assert (
        run_id in (one.reason or "")
        and "'another'" in (one.reason or "")
        and "not of 'q3da'" in (one.reason or "")
    )
    (attempt,) = attempts(database, one.id)
    assert (attempt.outcome, attempt.run_id, attempt.status_code) == ("unknown", None, 200)


# -- its run is found


@pytest.mark.parametrize("fault", ["drop", "reset", "late", "error", "garbage"])
def test_a_start_that_was_executed_is_found_by_its_echo(
    database: Database, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "log", log := Lines())
    timeout = 1.5 if fault == "late" else TIMEOUT  # of a call that is not answered in time
    with (
        FakePlatform(run_seconds=0.3) as fake,
        reconciling_worker(database, config(fake, timeout=timeout)),
    ):
        fake.faults = [fault]
        fake.late = 30.0
        (one,) = wait(database, [send(database)], ended)
        assert (one.status, one.run_state, one.run_id) == (
            "delivered",
            "done",
            fake.accepted[0].run_id,
        )
        assert len(fake.starts) == 1
    assert one.outputs["event_id"] == one.event_id
    assert (one.attempts, one.reason, slots(database)) == (1, None, 0)
    (attempt,) = attempts(database, one.id)
    assert (attempt.outcome, attempt.run_id) == ("started", one.run_id)
    assert attempt.detail.endswith("; its run was found")
    line = next(line for line in log.lines if line.get("decided") == "adopt")
    assert (line["flow"], line["run_id"], line["state"]) == (one.flow, one.run_id, "done")
    found = evidence(one)
    assert (found["decided"], found["run_id"], found["covers"], found["listed"]) == (
        "adopt",
        one.run_id,
        True,
        1,
    )
    assert found["candidates"] == [
        {
            "run_id": one.run_id,
            "state": "done",
            "created_at": pytest.approx(one.delivered_at),
            "echo": "event",
        }
    ]


def test_the_sole_run_of_an_exclusive_flow_is_adopted_while_it_goes_on_and_followed(
    database: Database,
) -> None:
    with (
        FakePlatform(run_seconds=60, echoes=False) as fake,
        reconciling_worker(database, config(fake, exclusive=True)),
    ):
        fake.faults = ["drop"]
        (one,) = wait(database, [send(database, echo=False)], is_in("delivered"))
        assert (one.run_id, slots(database)) == (fake.accepted[0].run_id, 1)
        assert "the only matching run" in evidence(one)["why"]
        fake.finish()
        (one,) = wait(database, [one.id], ended)
    assert (one.run_state, len(fake.starts), slots(database)) == ("done", 1, 0)


def test_without_exclusive_a_sole_run_without_an_echo_is_for_a_person(database: Database) -> None:
    with (
        FakePlatform(run_seconds=0.1, echoes=False) as fake,
        reconciling_worker(database, config(fake)),
    ):
        fake.faults = ["drop"]
        one = held(database, send(database))
        assert len(fake.starts) == 1
    assert f"{fake.accepted[0].run_id} (done) may be its run" in (one.reason or "")
    assert evidence(one)["decided"] == "hold"
    assert attempts(database, one.id)[0].outcome == "unknown"


def test_a_failed_run_that_is_found_is_followed_by_another_where_the_route_says_so(
    database: Database,
) -> None:
    with (
        FakePlatform(run_seconds=0.05) as fake,
        reconciling_worker(database, config(fake, exclusive=True)),
    ):
        fake.faults = ["drop"]
        fake.run_ends = ["FAILED"]
        one = send(
            database, echo=False, on_run_failed="retry", run_retries=1, retry=Retry(1, 0.02, 0.1)
        )
        (done,) = wait(database, [one], lambda one: one.run_state == "done")
    first, second = attempts(database, one)
    assert (first.outcome, first.run_state, second.outcome) == ("started", "failed", "started")
    assert (done.reruns, len(fake.starts)) == (1, 2)


def test_runs_of_other_deliveries_are_never_taken(database: Database) -> None:
    """Each is linked to its own delivery, or to an attempt of one that has another run by now."""
    with (
        FakePlatform(run_seconds=0.05, echoes=False) as fake,
        reconciling_worker(database, config(fake, exclusive=True)),
    ):
        fake.run_ends = ["FAILED"]
        again: dict[str, Any] = {"on_run_failed": "retry", "run_retries": 1}
        wait(
            database,
            [send(database, **again), send(database, **again)],
            lambda one: one.run_state == "done",
        )
        assert len(fake.accepted) == 3
        fake.faults = ["lost"]
        (one,) = wait(database, [send(database)], ended)
    assert (one.run_id, one.attempts) == (fake.accepted[-1].run_id, 2)
    assert len(fake.accepted) == 4


def test_two_starts_of_one_moment_without_an_echo_are_for_a_person(sqlite: Database) -> None:
    with FakePlatform(run_seconds=0.05, echoes=False) as fake:
        fake.faults = ["drop", "lost"]
        ids = send(sqlite), send(sqlite)
        with reconciling_worker(sqlite, config(fake, exclusive=True)):
            both = [held(sqlite, one) for one in ids]
        assert len(fake.accepted) == 1
    for one, other in (both, both[::-1]):
        assert f"{fake.accepted[0].run_id} (done) may be its run, or that of {other.id}" in (
            one.reason or ""
        )


def test_a_run_that_a_person_has_named_is_in_nobodys_way(database: Database) -> None:
    with FakePlatform(run_seconds=0.05, echoes=False) as fake:
        with working(database, config(fake)):
            fake.faults = ["drop", "drop"]
            first, second = wait(database, [send(database), send(database)], is_in("unknown"))
            run_id = fake.accepted[0].run_id
            database.write(
                lambda c: transitions.move(
                    c, first.id, Status.DELIVERED, time.time(), run_id=run_id
                )
            )
            wait(database, [first.id], ended)
        look_now(database, second.id)
        with reconciling_worker(database, config(fake, exclusive=True)):
            (one,) = wait(database, [second.id], ended)
        assert one.run_id == fake.accepted[1].run_id


def test_two_starts_of_one_moment_with_an_echo_are_both_found(database: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(database, config(fake)):
        fake.faults = ["drop", "error"]
        found = wait(database, [send(database), send(database)], ended)
        assert {one.run_id for one in found} == {start.run_id for start in fake.accepted}
    assert all(one.outputs["event_id"] == one.event_id for one in found)


def test_a_candidate_that_goes_on_is_followed_even_where_the_list_has_no_room_for_it_any_more(
    sqlite: Database,
) -> None:
    with FakePlatform(run_seconds=60) as fake, reconciling_worker(sqlite, config(fake)):
        fake.faults = ["drop"]
        one = send(sqlite)
        until(lambda: get(sqlite, one).evidence, what="a look")
        for _ in range(12):
            fake.begin("q3da")
        looks = evidence(get(sqlite, one))["looks"]
        until(lambda: evidence(get(sqlite, one))["looks"] > looks + 1, what="another look")
        assert "has not ended yet" in evidence(get(sqlite, one))["why"]
        fake.finish(fake.accepted[0].run_id)
        (done,) = wait(sqlite, [one], ended)
    assert done.run_id == fake.accepted[0].run_id


def test_a_candidate_that_does_not_end_in_time_is_for_a_person(sqlite: Database) -> None:
    with FakePlatform(run_seconds=60) as fake, reconciling_worker(sqlite, config(fake)):
        fake.faults = ["drop"]
        one = held(sqlite, send(sqlite, run_timeout=1.0))
    assert "(running) may be its run" in (one.reason or "")


# -- there is no run


def test_a_start_that_was_not_executed_is_made_again_after_two_looks(database: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(database, config(fake)):
        fake.begin("q3da", ago=3600)  # a run of another time
        fake.faults = ["lost"]
        (one,) = wait(database, [send(database)], ended)
        assert [bool(start.run_id) for start in fake.starts] == [False, True]
        assert fake.lists == 2
    first, second = attempts(database, one.id)
    assert second.started_at - first.started_at >= SOON + AGREE
    assert (first.outcome, second.outcome, second.run_id) == ("refused", "started", one.run_id)
    assert first.detail.endswith("; no run found afterwards")
    assert (one.attempts, evidence(one)["decided"]) == (2, "queue")


def test_one_whose_attempts_are_used_up_is_dead(database: Database) -> None:
    with FakePlatform() as fake, reconciling_worker(database, config(fake)):
        fake.faults = ["lost"] * 2
        (one,) = wait(database, [send(database, retry=Retry(2, 0.02, 0.1))], is_in("dead"))
    assert (one.attempts, one.dead_kind, len(fake.starts)) == (2, "platform", 2)
    assert (one.reason or "").startswith("gave up after 2 attempts: ")
    assert (one.reason or "").endswith("; no run found afterwards")


def test_a_list_that_does_not_go_back_so_far_decides_nothing(database: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(database, config(fake)):
        wait(database, [send(database) for _ in range(10)], ended)
        fake.faults = ["lost"]
        one = held(database, send(database))
        assert len(fake.starts) == 11
    assert "has only the 10 newest runs, which do not go back far enough" in (one.reason or "")


def test_a_list_of_which_entries_cannot_be_read_decides_nothing(sqlite: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(sqlite, config(fake)):
        fake.begin("q3da", ago=3600)
        fake.list_fields = ("state", "created_ts")
        fake.faults = ["lost"]
        one = held(sqlite, send(sqlite))
    assert "has entries that cannot be read" in (one.reason or "")


# -- looks that fail, and waits


def test_looks_that_fail_are_made_again_and_decide_nothing(database: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(database, config(fake)):
        fake.faults = ["drop"]
        fake.list_faults = [500, "drop", 401]
        fake.look_faults = [500, "drop"]
        (one,) = wait(database, [send(database)], ended)
        assert (one.run_id, len(fake.starts)) == (fake.accepted[0].run_id, 1)
    assert evidence(one)["looks"] == 6


@pytest.mark.parametrize(
    ("fault", "status_code", "problem"),
    [
        (404, 404, "HTTP 404"),
        (403, 403, "HTTP 403"),
        (401, 401, "HTTP 401"),
        (503, 503, "HTTP 503"),
        ("drop", None, ""),
    ],
)
def test_the_evidence_says_what_the_call_for_the_list_was_answered(
    sqlite: Database, fault: int | str, status_code: int | None, problem: str
) -> None:
    def looks() -> dict[str, Any]:
        found = get(sqlite, one).evidence
        return found if isinstance(found, dict) else {"looks": 0}

    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(sqlite, config(fake)):
        fake.faults = ["drop"]
        fake.list_faults = [fault] * 100_000
        one = send(sqlite)
        until(lambda: looks()["looks"] >= 1, what="a look")
        since = looks()["failing_since"]
        until(lambda: looks()["looks"] >= 3, what="three looks")
        assert (looks()["status_code"], looks()["failing_since"]) == (status_code, since)
        assert looks()["problem"].startswith(problem) and looks()["problem"]
        fake.list_faults = []
        (found,) = wait(sqlite, [one], ended)
    assert (
        evidence(found)["status_code"],
        evidence(found)["problem"],
        evidence(found)["failing_since"],
    ) == (200, None, None)


def test_what_the_list_does_not_tell_is_asked_of_each_run(sqlite: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(sqlite, config(fake)):
        fake.list_fields = ("run_id",)
        old = fake.begin("q3da", ago=3600)
        fake.faults = ["drop"]
        (one,) = wait(sqlite, [send(sqlite)], ended)
    assert one.run_id == fake.accepted[0].run_id
    assert old not in [each["run_id"] for each in evidence(one)["candidates"]]


def test_looks_that_fail_do_not_open_the_circuit(database: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(database, config(fake)):
        fake.faults = ["drop"]
        fake.list_faults = [500] * 100_000
        one = send(database)
        until(lambda: fake.lists > 5, what="looks")
        with database.read() as connection:
            assert [row.failures for row in connection.execute(select(schema.circuit))] == [1]
        fake.list_faults = []
        wait(database, [one], ended)


def test_a_list_that_arrives_shows_that_the_platform_is_up(database: Database) -> None:
    """On a quiet bridge no start would show it, and the alert would last for hours."""
    with FakePlatform(run_seconds=0.05) as fake:
        with working(database, config(fake)):
            fake.faults = ["drop"]
            (one,) = wait(database, [send(database)], is_in("unknown"))
        opened = Circuit(platform="gumloop", failures=5, open_for=60.0, open_until=time.time() - 1)
        database.write(lambda connection: write_circuits(connection, {}, {"gumloop": opened}, 0.0))
        look_now(database, one.id)
        with reconciling_worker(database, config(fake)):
            wait(database, [one.id], ended)
    with database.read() as connection:
        circuit = read_circuits(connection)["gumloop"]
    platform = PlatformStatus(name="gumloop", cap=5, calls=0, runs=0, circuit=circuit)
    assert [*find_open_circuits(replace(WELL, platforms=[platform]))] == []


def test_no_look_is_made_while_the_circuit_is_open_or_the_platform_is_gone(
    database: Database,
) -> None:
    with FakePlatform() as fake, working(database, config(fake)):
        fake.faults = ["drop"]
        (one,) = wait(database, [send(database)], is_in("unknown"))
    later = time.time() + 3600

    def taken(*platforms: str) -> list[str]:
        polls = database.write(
            lambda connection: run_tracking.claim_polls(
                connection, platforms=platforms, limit=10, now=later
            )
        )
        return [one.id for one, _ in polls]

    def circuit(**values: float | None) -> None:
        database.write(
            lambda connection: connection.execute(schema.circuit.update().values(**values))
        )

    circuit(open_until=later + 1)
    assert taken("gumloop") == []
    circuit(open_until=None, not_before=later + 1)
    assert taken("gumloop") == []
    circuit(open_until=later - 1, not_before=later - 1)
    assert taken("another") == []
    assert taken("gumloop") == [one.id]


def test_nothing_is_looked_for_before_its_time(sqlite: Database) -> None:
    """Not even where the time was worked out without the platform's timeout, while it was gone."""
    with FakePlatform(run_seconds=0.05) as fake:
        fake.faults = ["drop"]
        with working(sqlite, config(fake)):
            (one,) = wait(sqlite, [send(sqlite)], is_in("unknown"))
        look_now(sqlite, one.id)
        with working(sqlite, config(fake, timeout=1.0), reconcile_after=0.5):
            wait(sqlite, [one.id], ended)
    assert (
        evidence(get(sqlite, one.id))["looked_at"] >= attempts(sqlite, one.id)[0].started_at + 1.5
    )


@pytest.mark.parametrize("ahead", [600.0, -600.0])
def test_the_window_of_a_start_goes_by_the_platforms_clock(
    database: Database, ahead: float
) -> None:
    """The run was created ten minutes from now, as the platform says, whose clock differs by that
    much.
    """
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(database, config(fake)):
        fake.ahead = ahead
        fake.faults = ["drop"]
        (one,) = wait(database, [send(database)], ended)
        assert (one.run_id, len(fake.starts)) == (fake.accepted[0].run_id, 1)
    assert evidence(one)["candidates"][0]["created_at"] == pytest.approx(
        attempts(database, one.id)[0].started_at + ahead, abs=60
    )


# -- who waits meanwhile


def test_what_is_unknown_holds_its_line_until_it_is_settled(database: Database) -> None:
    order = Order(key="customer 7")
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(database, config(fake)):
        fake.faults = ["lost"]
        first = send(database, order=order)
        second = send(database, order=order)
        wait(database, [first, second], ended)
        titles = [start.json["event_id"] for start in fake.accepted]
    assert titles == [get(database, first).event_id, get(database, second).event_id]


@pytest.mark.parametrize(
    ("fault", "retry", "status"),
    [("drop", FAST, "delivered"), ("lost", Retry(1, 0.02, 0.1), "dead")],
)
def test_what_is_settled_lets_the_next_in_line_go(
    sqlite: Database, fault: str, retry: Retry, status: str
) -> None:
    order = Order(key="customer 7", until="delivered")
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(sqlite, config(fake)):
        fake.faults = [fault]
        first = send(sqlite, order=order, retry=retry)
        second = send(sqlite, order=order)
        wait(sqlite, [second], ended)
        assert get(sqlite, first).status == status
    assert attempts(sqlite, second)[0].started_at - attempts(sqlite, first)[0].started_at >= SOON


def test_a_run_that_is_found_while_it_goes_on_lets_go_who_waits_for_its_start_only(
    sqlite: Database,
) -> None:
    with (
        FakePlatform(run_seconds=60, echoes=False) as fake,
        reconciling_worker(sqlite, config(fake, exclusive=True)),
    ):
        fake.faults = ["drop"]
        orders = [Order(key="a", until="delivered")] * 2 + [Order(key="b", until="run_end")] * 2
        first, second = (send(sqlite, order=order) for order in orders[:2])
        wait(sqlite, [first, second], is_in("delivered"))
        fake.faults = ["drop"]
        third, fourth = (send(sqlite, order=order) for order in orders[2:])
        wait(sqlite, [third], is_in("delivered"))
        assert get(sqlite, fourth).status == "blocked"
        fake.finish()
        wait(sqlite, [fourth], is_in("delivered"))


def test_a_start_that_was_not_executed_is_not_counted_to_its_routes_day(database: Database) -> None:
    route = Route(
        name="rare", source="x", flow=None, reshape=lambda _: {}, limits=Limits(max_runs_per_day=1)
    )  # type: ignore[arg-type]
    with (
        FakePlatform(run_seconds=0.05) as fake,
        reconciling_worker(database, config(fake, routes=(route,))),
    ):
        fake.faults = ["lost"]
        (one,) = wait(database, [send(database, "rare")], ended)
    assert one.attempts == 2


def test_what_is_unknown_holds_its_routes_slot_and_not_its_platforms(database: Database) -> None:
    route = Route(
        name="narrow",
        source="x",
        flow=None,
        reshape=lambda _: {},
        limits=Limits(max_concurrent_runs=1),
    )  # type: ignore[arg-type]
    with (
        FakePlatform(run_seconds=0.05) as fake,
        reconciling_worker(database, config(fake, routes=(route,))),
    ):
        # nobody knows which runs there are
        fake.faults = ["drop"]
        fake.list_faults = [503] * 100_000
        first = send(database, "narrow")
        wait(database, [first], is_in("unknown"))
        second = send(database, "narrow")
        other = send(database, "wide")
        wait(database, [other], ended)
        assert (get(database, first).status, get(database, second).status) == ("unknown", "queued")
        fake.list_faults = []
        wait(database, [first, second], ended)


# -- at the same time


def test_a_person_who_was_faster_is_right(sqlite: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake:
        fake.faults = ["drop"]
        with working(sqlite, config(fake)):
            (one,) = wait(sqlite, [send(sqlite)], is_in("unknown"))
        with sqlite.read() as connection:
            known = unknown_starts.read_unknown_start(connection, one.id)
        assert known is not None
        sqlite.write(
            lambda connection: transitions.move(
                connection, one.id, Status.DEAD, time.time(), reason="by hand"
            )
        )
        answers = looked(known, fake.accepted[0].run_id or "")
        assert (
            sqlite.write(
                lambda connection: reconcile_store.resolve(
                    connection, known, answers, time.time(), jitter=0.5
                )
            )
            is None
        )
    assert (get(sqlite, one.id).status, get(sqlite, one.id).run_id) == ("dead", None)


def looked(known: unknown_starts.UnknownStart, run_id: str) -> reconcile_store.PollAnswers:
    window = attempt_window(known.began_at, 0.5)
    candidate = reconcile.Candidate(
        run_id=run_id, created_at=known.began_at, state=None, echo=reconcile.Echo.DELIVERY
    )
    look = reconcile.Look(at=time.time(), window=window, listed=1, candidates=(candidate,))
    return reconcile_store.PollAnswers(look=look, reports={}, exclusive=False, next_look=0.1)


def test_a_later_attempt_is_not_settled_by_a_look_for_an_earlier_one(database: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake:
        fake.faults = ["drop", "drop"]
        with working(database, config(fake)):
            (one,) = wait(database, [send(database)], is_in("unknown"))
            with database.read() as connection:
                known = unknown_starts.read_unknown_start(connection, one.id)
            database.write(
                lambda connection: transitions.move(connection, one.id, Status.QUEUED, time.time())
            )
            wait(database, [one.id], lambda one: one.status == "unknown" and one.attempts == 2)
        assert known is not None
        answers = looked(known, "r1")
        assert (
            database.write(
                lambda connection: reconcile_store.resolve(
                    connection, known, answers, time.time(), jitter=0.5
                )
            )
            is None
        )
    assert get(database, one.id).status == "unknown"


def test_one_run_is_adopted_once(database: Database) -> None:
    with FakePlatform(run_seconds=0.05) as fake:
        fake.faults = ["drop", "drop"]
        with working(database, config(fake)):
            found = wait(database, [send(database), send(database)], is_in("unknown"))
        with database.read() as connection:
            known = [unknown_starts.read_unknown_start(connection, one.id) for one in found]

        def settle(one: Any) -> Any:
            return database.write(
                lambda connection: reconcile_store.resolve(
                    connection, one, looked(one, "r1"), time.time(), jitter=0.5
                )
            )

        _, first = settle(known[0])
        seen, second = settle(known[1])
    assert (first, second) == (Status.DELIVERED, Status.UNKNOWN)
    assert seen.look.candidates == ()


def test_whose_runs_they_are_is_looked_up_in_indexes_however_many_there_are(
    database: Database,
) -> None:
    asked: list[tuple[str, Any]] = []
    one = make_delivery(make_event(), status=Status.UNKNOWN)
    known = unknown_starts.UnknownStart(one, 1, NOW)
    with database.read() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        listen(
            connection,
            "before_cursor_execute",
            lambda _, __, statement, given, *___: asked.append((statement, given)),
        )
        unknown_starts.find_run_owners(connection, ["r1", "r2"])
        unknown_starts.find_rivals(
            connection, known, reconcile.Look(at=NOW, window=attempt_window(NOW, 30.0))
        )
        statement, own = run_tracking._NEXT._for(connection)
        asked.append((statement, {**own, "now": NOW}))
        explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        statements = [each for each in asked if each[0].lstrip().startswith("SELECT")]
        plans = [
            str(connection.exec_driver_sql(explain + statement, given).all())
            for statement, given in statements
        ]
    indexes = [
        "ix_delivery_run",
        "ix_attempt_run",
        "ix_delivery_lease",
        "ix_attempt_unknown",
        "ix_delivery_poll",
    ]
    assert len(plans) == len(indexes)
    for index, plan in zip(indexes, plans, strict=True):
        assert index in plan, plan


# -- a worker that dies

WORKER = """
from worker_bench import configured, gumloop, made
from bridge.store.db.database import Database
made(Database({url!r}), configured(gumloop(url={base!r}, timeout={timeout}))).run()
"""


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(("fault", "starts"), [("late", 1), ("slow and lost", 2)])
def test_a_call_that_kill_9_cut_off_is_reconciled(
    database: Database, tmp_path: Path, fault: str, starts: int
) -> None:
    """The run that the call has made is adopted; where it has made none, it is made once."""
    with FakePlatform(run_seconds=0.05) as fake:
        fake.faults = [fault]
        fake.late = 30.0
        url = database.url.render_as_string(hide_password=False)
        program = WORKER.format(base=fake.base_url, url=url, timeout=TIMEOUT)
        process = parent().execute(program, os.environ, tmp_path)
        try:
            one = send(database)
            until(lambda: fake.accepted if fault == "late" else fake.starts, what="a call")
            process.send_signal(signal.SIGKILL)
        finally:
            process.kill()
            process.wait(60)
        with database.engine.begin() as connection:  # its lease runs out
            connection.execute(schema.delivery.update().values(lease_until=time.time() - 1.0))
        with reconciling_worker(database, config(fake)):
            (done,) = wait(database, [one], ended)
        assert len(fake.accepted) == 1
        assert len(fake.starts) == starts
    assert (done.run_id, done.run_state) == (fake.accepted[0].run_id, "done")
    assert attempts(database, one)[0].detail.startswith(WORKER_DIED.detail)
