"""Tests of clock steps during unanswered starts and delays: no flow starts twice, no time stays
ahead.
"""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import worker_bench
from records import make_delivery, make_event
from servers import FakePlatform
from serving import until
from sqlalchemy import event, insert, select, update
from stepped_clocks import DAY, Clocks, clocks
from worker_bench import attempts, configured, ended, get, gumloop, is_in, made, slots, wait

from bridge.core.clock_reading import MIN_STEP_SECONDS
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import Debounce, Delivery, Order, Retry
from bridge.core.rate_limits import Limits, Rate, RateState, allowed_starts, record_starts
from bridge.core.status import Outcome, OutcomeKind
from bridge.delivery import reconcile
from bridge.delivery.circuit_breaker import PROBE_SECONDS, record_outcome
from bridge.routing.model import Config, Flow, Route
from bridge.store import clock_corrections, clock_steps
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.local import runs
from bridge.store.queue import claims, heartbeats, throttling
from bridge.store.queue.claim_round import ClaimLimits
from bridge.store.tables import schema
from bridge.system import logs
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient
from bridge.worker.celery.tasks import TaskRunner
from bridge.worker.maintenance import scheduler
from bridge.worker.reconciler import Reconciler
from bridge.worker.worker import Worker

__all__ = ["clocks"]
pytestmark = [
    pytest.mark.usefixtures("slow"),
    pytest.mark.usefixtures("quick_polling"),
    pytest.mark.timings(
        heartbeat_seconds=0.1,
        reconcile_first_seconds=0.05,
        reconcile_max_seconds=0.2,
        reconcile_confirm_seconds=0.2,
    ),
]
TIMEOUT = 60.0  # a call is in time even where the machine stands still before it
SOON = 0.6  # seconds from the intent of an attempt until its run is looked for
FAST = Retry(attempts=3, first=0.02, max=0.1)
STEPS = [-200.0, 130.0, -DAY, DAY]


def config(fake: FakePlatform, *, exclusive: bool = False) -> Config:
    flow = Flow(name="triage", platform="gumloop", saved_item_id="q3da", exclusive=exclusive)
    return replace(configured(gumloop(fake, timeout=TIMEOUT)), flows={"triage": flow})


@contextmanager
def working(database: Database, given: Config, **more: Any) -> Iterator[Worker]:
    """Run a worker in its own thread, and stop it before the store is closed."""
    before = set(threading.enumerate())
    with worker_bench.working(database, given, **more) as worker:
        yield worker
    mine = [
        one for one in threading.enumerate() if one.name.startswith("call-") and one not in before
    ]
    until(lambda: not any(one.is_alive() for one in mine), what="the end of all calls")


@contextmanager
def reconciling_worker(database: Database, given: Config, send: Any = None) -> Iterator[None]:
    """Return a worker that looks for a run soon after its attempt began, however long a call may
    take.
    """
    with working(database, given, send=send, reconcile_after=SOON - TIMEOUT):
        yield


def add(database: Database, now: float, **changes: Any) -> str:
    event = make_event(None, now=now)
    given: dict[str, Any] = {
        "platform": "gumloop",
        "flow": "triage",
        "saved_item_id": "q3da",
        "retry": FAST,
        "on_unknown": "reconcile",
    }
    delivery = make_delivery(
        event, "triage", now=now, **{**given, "inputs": {"event_id": event.id}, **changes}
    )
    events.add(database, event, [delivery], lambda *_: [])
    return delivery.id


def held(database: Database, delivery_id: str) -> Delivery:
    """Return the delivery once it needs a decision; one that is over fails the test."""

    def is_settled() -> bool:
        with database.read() as connection:
            row = connection.execute(
                select(schema.delivery).where(schema.delivery.c.id == delivery_id)
            ).one()
        return (row.status == "unknown" and row.poll_at is None) or row.finished_at is not None

    until(is_settled, what="a hold")
    return get(database, delivery_id)


def dateless(call: Call, deadline: Deadline) -> Answer | NoAnswer:
    """Return a platform that sends no Date header."""
    answer = HttpClient().send(call, deadline)
    if isinstance(answer, Answer):
        return replace(
            answer,
            headers={name: value for name, value in answer.headers.items() if name != "date"},
        )
    return answer


# -- a clock that was wrong at the intent is right at the look


def lost(database: Database, clocks: Clocks, fake: FakePlatform, fault: str) -> str:
    """Return a start without a response, whose run the next worker must look for."""
    with working(database, config(fake)):
        fake.faults = [fault]
        wait(database, [one := add(database, clocks.time())], is_in("unknown"))
    return one


def look_now(database: Database, clocks: Clocks, delivery_id: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(
            update(schema.delivery)
            .where(schema.delivery.c.id == delivery_id)
            .values(poll_at=clocks.time())
        )


def refuse(found: Delivery, step: float) -> None:
    """Make the store refuse to record a step for a delivery."""
    assert found.status == "unknown"
    way = "forward" if step > 0 else "back"
    assert (found.reason or "").startswith(f"clock_stepped: the clock was set {way} by ")
    assert f"flowbridge resolve {found.id} --as delivered" in (found.reason or "")
    assert isinstance(found.evidence, dict) and found.evidence["clock_step"] == pytest.approx(
        step, abs=30
    )


@pytest.mark.parametrize("ahead", STEPS)
def test_a_start_by_a_wrong_clock_is_held_where_that_was_set_right(
    database: Database, clocks: Clocks, ahead: float
) -> None:
    """The run is outside the window around the intent, and the list reaches back far enough: it
    seems absent.
    """
    clocks.ahead = ahead
    with FakePlatform(run_seconds=0.05) as fake:
        one = lost(database, clocks, fake, "drop")
        clocks.ahead = 0.0
        look_now(database, clocks, one)
        with reconciling_worker(database, config(fake)):
            refuse(held(database, one), -ahead)
        assert len(fake.starts) == 1


@pytest.mark.parametrize("ahead", STEPS)
def test_so_it_is_where_the_worker_goes_on(
    sqlite: Database, clocks: Clocks, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    is_right = threading.Event()
    reconcile = Reconciler.reconcile
    monkeypatch.setattr(
        Reconciler, "reconcile", lambda self, one: is_right.wait(60) and reconcile(self, one)
    )
    clocks.ahead = ahead
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(sqlite, config(fake)):
        fake.faults = ["drop"]
        wait(sqlite, [one := add(sqlite, clocks.time())], is_in("unknown"))
        clocks.ahead = 0.0
        is_right.set()
        refuse(held(sqlite, one), -ahead)
        assert len(fake.starts) == 1


def test_a_clock_that_goes_wrong_after_the_intent_holds_as_well(
    database: Database, clocks: Clocks
) -> None:
    with FakePlatform(run_seconds=0.05) as fake:
        one = lost(database, clocks, fake, "drop")
        clocks.ahead = -200.0
        look_now(database, clocks, one)
        with reconciling_worker(database, config(fake)):
            refuse(held(database, one), -200.0)
        assert len(fake.starts) == 1


@pytest.mark.parametrize(("fault", "starts"), [("drop", 1), ("lost", 2)])
def test_a_clock_that_stays_wrong_decides_as_a_right_one(
    database: Database, clocks: Clocks, fault: str, starts: int
) -> None:
    """The platform's Date header gives the clock's error."""
    clocks.ahead = 500.0
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(database, config(fake)):
        fake.faults = [fault]
        (found,) = wait(database, [add(database, clocks.time())], ended)
    assert (found.run_id, len(fake.starts), len(fake.accepted)) == (
        fake.accepted[-1].run_id,
        starts,
        1,
    )


@pytest.mark.parametrize("part", [0.9, -0.9])
def test_a_small_step_is_covered_beside_the_skew_of_the_platform(
    database: Database, clocks: Clocks, part: float
) -> None:
    """The run was created some seconds plus a skew before the intent, or after the deadline."""
    with FakePlatform(echoes=False) as fake:
        one = lost(database, clocks, fake, "lost")
        began = attempts(database, one)[0].started_at
        run_id = fake.begin("q3da")
        fake.runs[run_id].created_at = (
            began - reconcile.MAX_SKEW_SECONDS - 10
            if part < 0
            else began + TIMEOUT + reconcile.MAX_SKEW_SECONDS + 10
        )
        clocks.ahead = part * reconcile.MAX_SKEW_SECONDS
        look_now(database, clocks, one)
        with reconciling_worker(database, config(fake)):
            found = held(database, one)
        assert (found.status, len(fake.starts)) == ("unknown", 1)
    assert f"{run_id} (done) may be its run" in (found.reason or "")


def test_two_steps_that_cancel_each_other_hold_nothing(database: Database, clocks: Clocks) -> None:
    with FakePlatform(run_seconds=0.05) as fake, working(database, config(fake)):
        fake.faults = ["lost"]
        wait(database, [one := add(database, clocks.time())], is_in("unknown"))
        clocks.ahead = 300.0
        until(lambda: latest(database) > 0, what="the step to be noted")
        clocks.ahead = 0.0
        until(lambda: latest(database) < 0, what="the step back to be noted")
    with database.engine.begin() as connection:
        connection.execute(update(schema.delivery).values(poll_at=clocks.time()))
    with FakePlatform(run_seconds=0.05) as fake, reconciling_worker(database, config(fake)):
        (found,) = wait(database, [one], ended)
    assert found.attempts == 2


def latest(database: Database) -> float:
    with database.read() as connection:
        step = clock_steps.last_step(connection)
    return step.seconds if step else 0.0


# -- a machine that was booted again, another one, a version that stored no clocks


def lose_an_answer(database: Database, clocks: Clocks, fake: FakePlatform, *, knows: bool) -> str:
    """Make a call whose response is lost, and return its delivery.

    `knows`: an earlier response gave the platform's clock.
    """
    with working(database, config(fake)):
        if knows:
            wait(database, [add(database, clocks.time())], ended)
        fake.faults = ["lost"]
        wait(database, [one := add(database, clocks.time())], is_in("unknown"))
    return one


@pytest.mark.parametrize("moved", [("boot-2", "here"), ("boot-1", "there")])
@pytest.mark.parametrize(
    ("step", "knows", "tells", "says"),
    [
        (0.0, True, True, None),
        (-200.0, True, True, "clock_stepped: the clock was set back by"),
        (130.0, True, True, "clock_stepped: the clock was set forward by"),
        (
            0.0,
            False,
            True,
            "clock_not_comparable: the call was made before a reboot or on another host",
        ),
        (0.0, True, False, "clock_not_comparable: "),
        (-200.0, False, True, "clock_not_comparable: "),
    ],
)
def test_after_a_reboot_or_on_another_host_the_clock_of_the_platform_counts(
    database: Database,
    clocks: Clocks,
    moved: tuple[str, str],
    step: float,
    knows: bool,
    tells: bool,
    says: str | None,
) -> None:
    """`knows`: the platform's clock was known at the intent. `tells`: it is known at the poll."""
    with FakePlatform(run_seconds=0.05) as fake:
        one = lose_an_answer(database, clocks, fake, knows=knows)
        assert (attempts(database, one)[0].platform_at is not None) is knows
        clocks.boot(*moved)
        clocks.ahead = step
        with database.engine.begin() as connection:
            connection.execute(
                update(schema.delivery)
                .where(schema.delivery.c.id == one)
                .values(poll_at=clocks.time())
            )
        with reconciling_worker(database, config(fake), None if tells else dateless):
            found = held(database, one) if says else wait(database, [one], ended)[0]
    assert found.status == ("unknown" if says else "delivered")
    assert says is None or says in (found.reason or "")


@pytest.mark.parametrize("knows", [True, False])
def test_an_attempt_of_an_earlier_version_is_held(
    database: Database, clocks: Clocks, knows: bool
) -> None:
    with FakePlatform(run_seconds=0.05) as fake:
        one = lose_an_answer(database, clocks, fake, knows=knows)
        none = dict.fromkeys(("boot_clock", "boot_id", "host", "platform_at"))
        with database.engine.begin() as connection:
            connection.execute(
                update(schema.attempt).where(schema.attempt.c.delivery_id == one).values(none)
            )
            connection.execute(
                update(schema.delivery)
                .where(schema.delivery.c.id == one)
                .values(poll_at=clocks.time())
            )
        with reconciling_worker(database, config(fake)):
            found = held(database, one)
    assert (found.status, found.reason or "")[0] == "unknown"
    assert "clock_not_comparable: an earlier version of flowbridge made the call" in (
        found.reason or ""
    )


def test_another_attempt_of_the_same_time_is_a_rival_though_its_clock_was_wrong(
    database: Database, clocks: Clocks
) -> None:
    """The run of the first, whose response was lost, could be taken for that of the second, which
    never began.
    """
    with FakePlatform(run_seconds=60, echoes=False) as fake:
        with working(database, config(fake)):
            clocks.ahead = 1000.0
            fake.faults = ["drop", "lost"]
            wait(database, [first := add(database, clocks.time(), inputs={})], is_in("unknown"))
            clocks.ahead = 0.0
            wait(database, [second := add(database, clocks.time(), inputs={})], is_in("unknown"))
        with database.engine.begin() as connection:
            connection.execute(
                update(schema.delivery)
                .where(schema.delivery.c.id == second)
                .values(poll_at=clocks.time())
            )
            connection.execute(
                update(schema.delivery).where(schema.delivery.c.id == first).values(poll_at=None)
            )
        with reconciling_worker(database, config(fake, exclusive=True)):
            found = held(database, second)
        assert (found.status, len(fake.starts)) == ("unknown", 2)
    assert f"{fake.accepted[0].run_id} (running) may be its run, or that of {first}" in (
        found.reason or ""
    )


# -- what a clock that was ahead has put off


def test_runs_are_looked_at_and_leases_run_out_after_a_clock_went_back(
    database: Database, clocks: Clocks
) -> None:
    clocks.ahead = DAY
    with FakePlatform(run_seconds=60) as fake:
        with working(database, config(fake)):
            ids = [add(database, clocks.time()) for _ in range(3)]
            wait(database, ids, is_in("delivered"))
            clocks.ahead = 0.0
            fake.finish()
            wait(database, ids, ended)
        assert slots(database) == 0


@pytest.mark.parametrize("step", [DAY, -DAY])
def test_a_run_is_given_up_after_its_time_whatever_the_clock_does(
    database: Database, clocks: Clocks, step: float
) -> None:
    """Neither at once nor a day later, for deliveries before the step and before it was recorded."""
    with FakePlatform(run_seconds=10_000) as fake:
        worker = made(database, config(fake))
        add(database, clocks.time(), run_timeout=3600.0)
        after = add(database, clocks.time(), run_timeout=3600.0)
        worker.step()
        until(lambda: len(fake.accepted) == 2, what="both starts")
        until(lambda: worker.step() or get(database, after).status == "delivered", what="both runs")
        clocks.ahead = step
        with database.engine.begin() as connection:
            delivered = update(schema.delivery).values(delivered_at=clocks.time())
            connection.execute(delivered.where(schema.delivery.c.id == after))
        for later, slot_count in ((1.0, 2), (1800.0, 2), (3600.0, 0)):
            clocks.later += later
            until(lambda: looked(database, worker, clocks), what="looks at both runs")
            assert slots(database) == slot_count
        worker.stop()
        worker.run()


def looked(database: Database, worker: Worker, clocks: Clocks) -> bool:
    """Run a cycle; return whether each tracked run was polled since the clock advanced."""
    worker.step()
    with database.read() as connection:
        due = connection.execute(select(schema.delivery.c.poll_at)).scalars().all()
    return all(
        at is None or clocks.time() < at < clocks.time() + database.timings.lease_seconds
        for at in due
    )


def test_a_worker_goes_on_after_its_clock_went_back(database: Database, clocks: Clocks) -> None:
    """Its timers do not depend on that clock: it sends heartbeats, extends leases, and takes over
    expired ones.
    """
    clocks.ahead = DAY
    with FakePlatform(run_seconds=0.02) as fake:
        given = config(fake)
        dead = made(database, given)
        dead._cycle.calls.submit = lambda *_: None  # type: ignore[method-assign]
        one = add(database, clocks.time(), on_unknown="retry")
        dead.step()
        assert get(database, one).status == "sending"
        worker = made(database, given)
        worker.step()
        clocks.ahead = 0.0
        clocks.later += database.timings.heartbeat_seconds
        worker.step()
        # both rows are of now: that of the dead one grows old
        assert heartbeats.workers_alive(database, clocks.time()) == 2
        assert lease_until(database, one) <= clocks.time() + database.timings.lease_seconds + 1
        clocks.later += 2 * database.timings.lease_seconds
        worker.step()
        assert get(database, one).status == "queued"
        worker.stop()
        worker.run()


def lease_until(database: Database, one: str) -> float:
    with database.read() as connection:
        at: float = connection.execute(
            select(schema.delivery.c.lease_until).where(schema.delivery.c.id == one)
        ).scalar_one()
    return at


# -- several workers, and a step forward


@pytest.mark.parametrize("is_new", [False, True])
def test_a_step_forward_takes_no_call_from_a_worker_that_is_alive(
    database: Database, clocks: Clocks, is_new: bool
) -> None:
    """`is_new`: the other worker started after the step and did not see it."""
    with FakePlatform(run_seconds=0.02) as fake:
        given = config(fake)
        calling = made(database, given)
        calling._cycle.calls.submit = lambda *_: None  # type: ignore[method-assign]
        one = add(database, clocks.time())
        calling.step()
        assert get(database, one).status == "sending"
        other = None if is_new else made(database, given)
        if other is not None:
            other.step()
        clocks.ahead = 300.0
        clocks.later += database.timings.heartbeat_seconds
        other = other or made(database, given)
        other.step()
        assert (get(database, one).status, lease_until(database, one) < clocks.time()) == (
            "sending",
            True,
        )
        calling.step()
        for _ in range(4):
            clocks.later += database.timings.lease_seconds / 2
            calling.step()
            other.step()
        assert get(database, one).status == "sending"
        clocks.later += 2 * database.timings.lease_seconds
        other.step()
        assert get(database, one).status == "unknown"  # it has died meanwhile


def test_a_step_forward_takes_no_local_run_from_a_worker_that_is_alive(
    database: Database, clocks: Clocks
) -> None:
    one = worker_bench.start_run(database, "echo")
    clock = DatabaseClock(database)
    clock.set()
    clock_steps.correct_clock_steps(database, clock)
    database.write(lambda connection: runs.claim(connection, 1, clock(), "w"))
    clocks.ahead = 300.0
    clock.set()
    clock_steps.correct_clock_steps(database, clock)
    assert database.write(lambda connection: scheduler.abandon_runs(connection, clock())) == 0
    clocks.later += 2 * database.timings.lease_seconds
    clock.set()
    assert database.write(lambda connection: scheduler.abandon_runs(connection, clock())) == 1
    with database.read() as connection:
        assert runs.get(connection, one) is not None


# -- which times are pulled back, by how much

LATER = 3 * DAY
# when it was planned or tried, by the clock that is right afterwards
BY_WRONG = DAY
BY_RIGHT = -60.0


@pytest.mark.parametrize(
    ("planned", "tried", "due", "becomes"),
    [
        (BY_WRONG, None, DAY, 0.0),  # due at once, by the clock that was a day ahead
        (BY_WRONG, None, DAY + 600.0, 600.0),  # `delay: 10m`
        (BY_WRONG, None, DAY + LATER, LATER),
        (BY_RIGHT, None, LATER, LATER),  # a long `delay` by a right clock
        (BY_RIGHT, None, 600.0, 600.0),
        (BY_RIGHT, BY_WRONG, DAY + 300.0, 300.0),  # tried again in five minutes
        (BY_RIGHT, BY_RIGHT, LATER, LATER),  # a long `retry.max`
        (BY_RIGHT, BY_RIGHT, -5.0, -5.0),
    ],
)
def test_what_was_put_off_by_a_wrong_clock_is_pulled_back_and_delays_stay(
    database: Database,
    clocks: Clocks,
    planned: float,
    tried: float | None,
    due: float,
    becomes: float,
) -> None:
    clock = DatabaseClock(database)
    now = clocks.time()
    one = add(
        database, now + planned, due_at=now + due, retry=Retry(attempts=3, first=5.0, max=7 * DAY)
    )
    with database.engine.begin() as connection:
        connection.execute(
            update(schema.delivery).values(due_at=now + due, debounce_until=now + due)
        )
        if tried is not None:
            values = {
                "delivery_id": one,
                "number": 1,
                "started_at": now + tried,
                "finished_at": now + tried,
                "outcome": "refused",
            }
            connection.execute(insert(schema.attempt).values(values))
            connection.execute(update(schema.delivery).values(attempts=1))
    back(database, clock, clocks)
    with database.read() as connection:
        row = connection.execute(
            select(schema.delivery.c.due_at, schema.delivery.c.debounce_until)
        ).one()
    assert tuple(row) == pytest.approx((now + becomes, now + becomes), abs=60)


def test_the_next_in_line_that_was_promoted_by_a_wrong_clock_goes_now(
    database: Database, clocks: Clocks
) -> None:
    clock = DatabaseClock(database)
    now = clocks.time()
    add(database, now - 60, order=Order(key="k"))
    with database.engine.begin() as connection:
        connection.execute(update(schema.delivery).values(due_at=now + DAY - 5))
    back(database, clock, clocks)
    with database.read() as connection:
        assert connection.execute(select(schema.delivery.c.due_at)).scalar_one() <= clocks.time()


def back(database: Database, clock: DatabaseClock, clocks: Clocks) -> None:
    """Return a clock that was a day ahead and was set right."""
    clocks.ahead = DAY
    clock.set()
    clock_steps.correct_clock_steps(database, clock)
    clocks.ahead = 0.0
    clock.set()
    clock_steps.correct_clock_steps(database, clock)


@pytest.mark.parametrize("delay", [0.0, 600.0])
def test_what_a_receiver_plans_by_a_clock_that_is_ahead_waits_as_long_as_its_delay(
    database: Database, clocks: Clocks, delay: float
) -> None:
    """The clock of the receiver's machine is wrong, and the database's is right: there is no step."""
    clock = DatabaseClock(database)
    at = clocks.time() + DAY
    one = add(database, at, due_at=at + delay)
    for _ in range(2):
        clock.set()
        clock_steps.correct_clock_steps(database, clock)
    assert get(database, one).due_at == pytest.approx(clocks.time() + delay, abs=60)


@pytest.mark.parametrize("moved", [None, ("boot-1", "there")])
def test_after_a_gap_all_deliveries_are_checked_not_only_the_newest(
    database: Database, clocks: Clocks, moved: tuple[str, str] | None
) -> None:
    """No worker ran while a receiver's clock was ahead, and others planned more since."""
    clock = DatabaseClock(database)
    clock_steps.correct_clock_steps(database, clock)
    one = add(database, clocks.time() + DAY)
    event = make_event(None, now=clocks.time())
    newer = [
        make_delivery(event, f"route-{number}", now=clocks.time())
        for number in range(clock_corrections.CHECKED_DELIVERIES)
    ]
    events.add(database, event, newer, lambda *_: [])
    clocks.later += 3 * clock_steps.REFRESH_SECONDS
    if moved:  # another host goes on, whose worker has been alive meanwhile
        clocks.boot(*moved)
        with database.engine.begin() as connection:
            heartbeats.beat(connection, "there", "there", 1, clocks.time())
    clock.set()
    clock_steps.correct_clock_steps(database, clock)
    assert get(database, one).due_at == pytest.approx(clocks.time(), abs=60)


def test_circuits_and_paces_are_pulled_back_to_their_own_intervals(
    database: Database, clocks: Clocks
) -> None:
    clock = DatabaseClock(database)
    now = clocks.time()
    ahead = now + DAY
    circuit: dict[str, Any] = {
        "platform": "p",
        "failures": 5,
        "open_for": 300.0,
        "raise_for": 8.0,
        "changed_at": ahead,
    }
    circuit |= {
        "open_until": ahead + 200,
        "probe_until": ahead + 20,
        "raise_at": ahead + 7,
        "not_before": ahead + 100,
        "retry_after": 1000.0,
    }
    with database.engine.begin() as connection:
        connection.execute(insert(schema.circuit).values(circuit))
        connection.execute(
            insert(schema.pace).values(
                route="r",
                next_at=ahead + 50,
                start_interval=60.0,
                day=int(ahead // DAY),
                starts=3,
            )
        )
    back(database, clock, clocks)
    with database.read() as connection:
        row = connection.execute(select(schema.circuit)).one()
        pace = connection.execute(select(schema.pace)).one()
    times = (row.open_until, row.probe_until, row.raise_at, row.not_before, pace.next_at)
    jitter = clock_corrections.JITTER_FACTOR
    limits = (300.0 * jitter, PROBE_SECONDS, 8.0 * jitter, 1000.0, 60.0)
    passed = clocks.time() - now
    assert all(limit <= at - now <= limit + passed for at, limit in zip(times, limits, strict=True))
    assert (pace.day, pace.starts) == (int(clocks.time() // DAY), 3)


@pytest.mark.parametrize("moved", [None, ("boot-2", "here"), ("boot-1", "there")])
def test_a_step_while_no_worker_ran_is_seen_by_the_next(
    database: Database, clocks: Clocks, moved: tuple[str, str] | None
) -> None:
    clocks.ahead = DAY
    with FakePlatform(run_seconds=60) as fake:
        with working(database, config(fake)):
            wait(database, [one := add(database, clocks.time())], is_in("delivered"))
        with database.engine.begin() as connection:  # the worker was killed: its row is still there
            connection.execute(
                insert(schema.worker).values(
                    id="w", host="here", pid=1, started_at=clocks.time(), seen_at=clocks.time()
                )
            )
            connection.execute(update(schema.delivery).values(poll_at=clocks.time()))
        clocks.ahead = 0.0
        if moved:
            clocks.boot(*moved)
        fake.finish()
        with working(database, config(fake)):
            wait(database, [one], ended)
    assert latest(database) == pytest.approx(-DAY, abs=120)


def test_a_step_is_noted_once_by_several_workers(
    database: Database, clocks: Clocks, capsys: pytest.CaptureFixture[str]
) -> None:
    several = [DatabaseClock(database) for _ in range(3)]
    clocks.ahead = DAY
    one = add(database, clocks.time(), due_at=clocks.time() + 600)
    with database.engine.begin() as connection:
        connection.execute(update(schema.delivery).values(due_at=clocks.time() + 600))
    for ahead in (DAY, 0.0, 0.0):
        clocks.ahead = ahead
        for number, clock in enumerate(several):
            clocks.host = f"host-{number}"
            clock.set()
            clock_steps.correct_clock_steps(database, clock)
    assert get(database, one).due_at == pytest.approx(clocks.time() + 600, abs=60)


def test_a_machine_that_was_suspended_has_not_stepped(database: Database, clocks: Clocks) -> None:
    """The boot clock advances during suspension, as the wall clock does."""
    clock = DatabaseClock(database)
    clock.set()
    clock_steps.correct_clock_steps(database, clock)
    clocks.later += 3 * 3600
    clock.set()
    clock_steps.correct_clock_steps(database, clock)
    assert (latest(database), clock.step) == (0.0, 0.0)


def test_a_dead_worker_that_lies_ahead_does_not_count_as_alive(
    database: Database, clocks: Clocks
) -> None:
    database.write(
        lambda connection: heartbeats.beat(connection, "w", "here", 1, clocks.time() + DAY)
    )
    assert heartbeats.workers_alive(database, clocks.time()) == 0


def test_a_throttled_delivery_is_due_whatever_a_clock_that_was_ahead_said(
    sqlite: Database, clocks: Clocks
) -> None:
    from bridge.core.model import Status
    from bridge.core.status import Outcome, OutcomeKind
    from bridge.delivery.retry import decide_after_attempt

    event = make_event("1", now=clocks.time() + DAY)
    one = make_delivery(event, status=Status.SENDING, due_at=clocks.time() + DAY)
    assert (
        decide_after_attempt(
            one, Outcome(kind=OutcomeKind.THROTTLED, detail="full"), now := clocks.time(), 0.5
        ).due_at
        == now
    )


def test_a_process_that_executes_tasks_corrects_a_step_that_it_alone_saw(
    database: Database, clocks: Clocks
) -> None:
    given = configured()
    calls = TaskRunner(lambda: given, database, HttpClient().send, 60.0)
    try:
        until(lambda: calls._now._origin is not None, what="the first heartbeat")
        clocks.ahead = 480.0
        until(lambda: latest(database) > 0, what="the step to be stored")
        clocks.ahead = 0.0
        until(lambda: latest(database) < 0, what="the step back to be stored")
    finally:
        calls.close()


def test_a_task_of_celery_stores_the_clocks_with_its_intent(
    database: Database, clocks: Clocks
) -> None:
    """The platform's clock is known from the second call on."""
    with FakePlatform(run_seconds=0.05) as fake:
        given = config(fake)
        calls = TaskRunner(lambda: given, database, HttpClient().send, 60.0)
        try:
            for is_known in (False, True):
                add(database, clocks.time())
                claim = lambda c: claims.claim(  # noqa: E731
                    c,
                    ClaimLimits(caps={"gumloop": 5}),
                    limit=1,
                    now=clocks.time(),
                    lease="l",
                    intents=False,
                )
                [claimed] = database.write(claim)
                assert calls.make_call(claimed.delivery.id, claimed.lease)
                [row] = attempts(database, claimed.delivery.id)
                assert (row.boot_id, row.host, row.platform_at is not None) == (
                    "boot-1",
                    "here",
                    is_known,
                )
                assert row.boot_clock <= clocks.clock_gettime(time.CLOCK_BOOTTIME)
        finally:
            calls.close()


# -- a step that is taken back before the next heartbeat, or before the one after it

OWN_WAIT = 2.0  # the Retry-After of the platform; a rate of 60/min is less
PACED = Route(
    name="triage",
    source="x",
    flow=Flow(name="triage", platform="gumloop", saved_item_id="q3da"),
    reshape=lambda _: {},
    limits=Limits(rate=Rate(count=60, per=60.0)),
)


@pytest.mark.timings(heartbeat_seconds=3.0)
@pytest.mark.parametrize("is_seen", [False, True])
@pytest.mark.parametrize("ahead", [480.0, 3000.0, DAY])
def test_a_step_that_is_taken_back_holds_nothing_longer_than_its_own_interval(
    database: Database, clocks: Clocks, ahead: float, is_seen: bool
) -> None:
    """`is_seen`: a heartbeat reads the clock while it is wrong."""
    beat = database.timings.heartbeat_seconds
    with FakePlatform(retry_after=f"{OWN_WAIT:g}") as fake:
        worker = made(database, replace(config(fake), routes=(PACED,)))
        worker.step()
        clocks.ahead = ahead
        clocks.later += beat if is_seen else 0.0
        fake.faults = [429]
        first = add(database, clocks.time() - ahead)
        until(lambda: worker.step() or get(database, first).throttled, what="a 429")
        clocks.ahead = 0.0
        later = add(database, clocks.time())
        clocks.later += beat
        worker.step()
        assert longest_wait(database, clocks) <= OWN_WAIT + MIN_STEP_SECONDS
        for delivery_id in (first, later):
            clocks.later += OWN_WAIT + MIN_STEP_SECONDS
            until(lambda: worker.step() or is_delivered(database, delivery_id), what="a start")  # noqa: B023
        worker.stop()
        worker.run()


def test_between_two_readings_no_step_changes_the_time(database: Database, clocks: Clocks) -> None:
    """So a turn that is made while the clock is wrong stores no wrong time."""
    clock = DatabaseClock(database)
    clock.set()
    clocks.ahead = 480.0
    at = clock.read().at
    assert (clock(), at) == pytest.approx((clocks.time() - 480.0,) * 2, abs=60)
    clocks.ahead = 0.0
    clock.set()
    assert clock.step == 0.0


def test_a_database_whose_clock_differs_is_logged_once(
    postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(logs, "setup", logs.LogSetup(stream=stream))
    seconds = 0.0

    @event.listens_for(postgresql.engine, "before_cursor_execute", retval=True)
    def step(
        _connection: object, _cursor: object, statement: str, parameters: object, *_: object
    ) -> tuple[str, object]:
        later = f"clock_timestamp() + interval '{seconds} s'"
        return statement.replace("clock_timestamp()", later), parameters

    clock = DatabaseClock(postgresql)
    clock.set()
    seconds = 1.5
    clock.set()
    assert stream.getvalue() == ""
    seconds = 3600.0
    for _ in range(2):
        clock.set()
    [line] = map(json.loads, stream.getvalue().splitlines())
    assert line["event"] == "clocks_differ"
    assert line["database_ahead"] == pytest.approx(3600, abs=60)
    assert clock.step == pytest.approx(3600, abs=60)


def longest_wait(database: Database, clocks: Clocks) -> float:
    """Return for how many seconds a delivery, a platform or a route is put off at most."""
    with database.read() as connection:
        times = [
            *connection.execute(select(schema.circuit.c.not_before, schema.circuit.c.raise_at)),
            *connection.execute(select(schema.pace.c.next_at)),
            *connection.execute(select(schema.delivery.c.due_at)),
        ]
    return max(at for row in times for at in row) - clocks.time()


def is_delivered(database: Database, delivery_id: str) -> bool:
    return get(database, delivery_id).status == "delivered"


def test_what_another_worker_wrote_by_a_wrong_clock_is_pulled_back_to_its_own_interval(
    database: Database, clocks: Clocks
) -> None:
    """No worker has recorded a step: each time is limited by the interval that it was made of."""
    now = clocks.time()
    outcome = Outcome(kind=OutcomeKind.THROTTLED, detail="full", retry_after=OWN_WAIT)
    wrote = record_outcome(None, "p", outcome, 1, now + 480.0, 0.5)
    assert wrote is not None
    with database.engine.begin() as connection:
        throttling.write_circuits(connection, {}, {"p": wrote}, now)
        throttling.write_pace(
            connection, "r", record_starts(PACED.limits, RateState(), 1, now + 480.0)
        )
        connection.execute(
            insert(schema.worker).values(
                id="w", host="here", pid=1, started_at=now, seen_at=now + 480.0
            )
        )
    clock = DatabaseClock(database)
    clock.set()
    clock_steps.correct_clock_steps(database, clock)
    with database.read() as connection:
        seen_at = connection.execute(select(schema.worker.c.seen_at)).scalar_one()
    assert longest_wait(database, clocks) <= OWN_WAIT
    assert seen_at <= clocks.time()


def test_waits_that_a_right_clock_wrote_stay_as_they_are(
    database: Database, clocks: Clocks
) -> None:
    """The clock is wrong for a moment, in which nothing is written."""
    clock = DatabaseClock(database)
    now = clocks.time()
    outcome = Outcome(kind=OutcomeKind.THROTTLED, detail="full", retry_after=1000.0)
    wrote = record_outcome(None, "p", outcome, 1, now, 0.5)
    hourly = Limits(rate=Rate(count=1, per=3600.0))
    with database.engine.begin() as connection:
        throttling.write_circuits(connection, {}, {"p": wrote}, now)
        throttling.write_pace(connection, "r", record_starts(hourly, RateState(), 1, now))
    back(database, clock, clocks)
    with database.read() as connection:
        not_before = connection.execute(select(schema.circuit.c.not_before)).scalar_one()
        next_at = connection.execute(select(schema.pace.c.next_at)).scalar_one()
    assert (not_before, next_at) == (now + 1000.0, now + 3600.0)


def test_a_worker_corrects_what_it_wrote_after_another_one_saw_the_step_back(
    database: Database, clocks: Clocks
) -> None:
    """Only one of two workers saw the wrong clock, and the other corrected first."""
    wrong, right = DatabaseClock(database), DatabaseClock(database)
    for clock in (wrong, right):
        clock.set()
        clock_steps.correct_clock_steps(database, clock)
    clocks.ahead = 480.0
    wrong.set()
    clock_steps.correct_clock_steps(database, wrong)
    early, late, kept = (add(database, clocks.time() - 480.0) for _ in range(3))
    try_again(database, early, at=wrong(), wait=60.0)
    clocks.ahead = 0.0
    right.set()
    clock_steps.correct_clock_steps(database, right)
    clocks.later += 10.0
    try_again(database, late, at=wrong(), wait=60.0)
    try_again(database, kept, at=right(), wait=60.0)
    wrong.set()
    clock_steps.correct_clock_steps(database, wrong)
    now = clocks.time()
    due = [get(database, delivery_id).due_at - now for delivery_id in (early, late, kept)]
    assert due == pytest.approx([50.0, 60.0, 60.0], abs=8)


def try_again(database: Database, delivery_id: str, at: float, wait: float) -> None:
    """Store a refused attempt of a delivery, by a clock, and when the next one is due."""
    with database.engine.begin() as connection:
        attempt = {"started_at": at, "finished_at": at, "outcome": "refused"}
        connection.execute(
            insert(schema.attempt).values(delivery_id=delivery_id, number=1, **attempt)
        )
        connection.execute(
            update(schema.delivery)
            .where(schema.delivery.c.id == delivery_id)
            .values(attempts=1, due_at=at + wait)
        )


def test_runs_of_today_count_while_a_clock_shows_another_day(
    database: Database, clocks: Clocks
) -> None:
    """`max_runs_per_day` holds for all workers together, whichever of them sees the step."""
    clocks.later = (1.5 * DAY - clocks.time()) % DAY  # it is noon
    limits = Limits(max_runs_per_day=10)
    wrong, right = DatabaseClock(database), DatabaseClock(database)
    for clock in (wrong, right):
        clock.set()
        clock_steps.correct_clock_steps(database, clock)
    start(database, limits, right, 4)
    clocks.ahead = DAY
    wrong.set()
    clock_steps.correct_clock_steps(database, wrong)
    start(database, limits, wrong, 3)
    start(database, limits, right, 2)
    clocks.ahead = 0.0
    for clock in (wrong, right):
        clock.set()
        clock_steps.correct_clock_steps(database, clock)
    with database.read() as connection:
        pace = throttling.read_paces(connection, ["r"])["r"]
    assert allowed_starts(limits, pace, right()) == 1
    assert allowed_starts(limits, pace, right() + DAY) == 10


def start(database: Database, limits: Limits, clock: DatabaseClock, count: int) -> None:
    with database.engine.begin() as connection:
        pace = throttling.read_paces(connection, ["r"]).get("r", RateState())
        assert allowed_starts(limits, pace, clock()) == 10 - pace.starts
        throttling.write_pace(connection, "r", record_starts(limits, pace, count, clock()))


def test_a_merge_window_is_planned_again_with_its_delivery(
    database: Database, clocks: Clocks
) -> None:
    """A receiver's clock was an hour ahead when it planned a delivery with `debounce`."""
    at = clocks.time() + 3600.0
    delivery_id = add(database, at, due_at=at + 5.0, debounce=Debounce(key="k", until=at + 30.0))
    clock = DatabaseClock(database)
    clock.set()
    clock_steps.correct_clock_steps(database, clock)
    delivery = get(database, delivery_id)
    assert delivery.debounce is not None
    assert delivery.debounce.until - delivery.due_at == pytest.approx(25.0)
    assert delivery.due_at == pytest.approx(clocks.time() + 5.0, abs=60)
