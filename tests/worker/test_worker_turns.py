"""The worker's turns one by one, by a clock that only the test moves: what each takes, extends,
hands back and settles.

Its calls wait until a test makes them, and it never sleeps.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from records import make_delivery, make_event
from servers import FakePlatform
from serving import is_alive, until
from sqlalchemy import select, update
from worker_bench import (
    LOCAL,
    add,
    attempts,
    begun,
    configured,
    get,
    gumloop,
    host_of,
    make_data_folder,
    run_of,
    slots,
    slow_flow,
    start_run,
)

from bridge.config.settings import load_settings
from bridge.core.clock_reading import ClockReading
from bridge.core.errors import BridgeError, StoreError
from bridge.core.local_runs import LocalFile, LocalFlow
from bridge.core.model import Delivery, Retry
from bridge.core.rate_limits import Limits
from bridge.core.status import OutcomeKind
from bridge.core.timings import TIMINGS
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.polling import Polling
from bridge.delivery.unknown_outcomes import WORKER_DIED
from bridge.flows import File, flow
from bridge.flows.ready.catalog import READY_FLOWS
from bridge.routing.model import Config, Flow, Mode, Route
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.encryption import Sealer
from bridge.store.local import files as local_files
from bridge.store.local import flows as local_flows
from bridge.store.local import runs
from bridge.store.queue import claims, hold, ledger
from bridge.store.queue.claim_round import Claim
from bridge.store.tables import schema
from bridge.system import boot_clock, logs
from bridge.system.http_client import HttpClient
from bridge.system.wakeup import Wake
from bridge.worker import cycle, turn
from bridge.worker import worker as worker_module
from bridge.worker.broker_relay import BrokerRelay
from bridge.worker.claim_policy import exclude_missing_flows, find_allowed, read_hold, reconcile_at
from bridge.worker.results import FlowsLoaded
from bridge.worker.worker import Worker

ONCE = Retry(attempts=1)
BEAT = TIMINGS.heartbeat_seconds


class Clock:
    """The time, which goes on only when it is told to; the boot clock shows the same."""

    step = 0.0

    def __init__(self) -> None:
        # what a test adds is due, however slowly it goes on
        self.at = float(int(time.time()) + 3600)
        self.sets = 0

    def __call__(self) -> float:
        return self.at

    def clock_gettime(self, _number: int) -> float:
        return self.at

    def set(self) -> None:
        self.sets += 1

    def read(self) -> ClockReading:
        return ClockReading(at=self.at, boot_clock=self.at, boot_id="boot", host="host")


class Hand:
    """A worker in the test's hand. `tasks`: calls and looks that wait; `sleeps`: the seconds it
    would have slept.
    """

    def __init__(self, database: Database, config: Config, **more: Any) -> None:
        self.database = database
        self.config = config
        self.tasks: list[tuple[str, Callable[[], None]]] = []
        self.sleeps: list[float] = []
        self.reads = 0
        self.writes = 0
        # "before": writes fail and nothing is kept; "after": they were kept all the same
        self.fails: str | None = None
        self.asleep: Callable[[], None] = lambda: None
        self.closed = False
        flows = more.pop("flows", None)
        data = str(more.pop("data", None) or make_data_folder())
        after = more.pop("reconcile_after", "60")
        environ = {
            "FLOWBRIDGE_SECRET_KEY": "k" * 32,
            "FLOWBRIDGE_DATA": data,
            "FLOWBRIDGE_RECONCILE_AFTER": after,
            "FLOWBRIDGE_ENCRYPTION_KEYS": more.pop("keys", ""),
        }
        settings = load_settings(environ, timings=database.timings)
        ours = _Counted(database, self)
        self.worker = Worker(
            settings,
            lambda: self.config,
            ours,
            more.pop("send", None) or HttpClient().send,
            Wake(),  # type: ignore[arg-type]
            host_of(flows) if flows else None,
            more.pop("relay", None),
        )
        calls = self.worker._cycle.calls
        calls.submit = lambda key, task: self.tasks.append((key, task))  # type: ignore[method-assign]
        calls.cancel = self._cancel  # type: ignore[method-assign]
        calls.grow = lambda: bool(self.tasks)  # type: ignore[method-assign]
        calls.close = lambda: setattr(self, "closed", True)  # type: ignore[method-assign]
        self.worker._wake.wait = self._sleep  # type: ignore[method-assign]

    def _sleep(self, seconds: float) -> bool:
        self.sleeps.append(seconds)
        self.asleep()
        return False

    def _cancel(self) -> set[str]:
        keys = {key for key, _ in self.tasks}
        self.tasks = []
        return keys

    def step(self) -> None:
        self.worker.step()

    def call(self, *keys: str) -> None:
        """Make the calls that wait, or those of some deliveries."""
        now = [(key, task) for key, task in self.tasks if not keys or key in keys]
        self.tasks = [each for each in self.tasks if each not in now]
        for _, task in now:
            task()

    @property
    def waiting(self) -> list[str]:
        return [key for key, _ in self.tasks]


def add_with_due_look(hand: Hand, clock: Clock) -> str:
    """Add a delivery, start its run, and move the clock to the first look at that."""
    (one,) = add(hand.database)
    hand.step()
    hand.call()
    hand.step()
    clock.at = row(hand.database, one).poll_at
    return one


class _Counted:
    """A database whose reads and writes are counted, and whose writes fail where that is asked
    for.
    """

    def __init__(self, database: Database, hand: Hand) -> None:
        self._database = database
        self._hand = hand

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def read(self) -> Any:
        self._hand.reads += 1
        return self._database.read()

    def write(self, work: Any) -> Any:
        self._hand.writes += 1
        if self._hand.fails == "before":
            raise StoreError("OperationalError: disk I/O error")
        done = self._database.write(work)
        if self._hand.fails == "after":
            raise StoreError("OperationalError: the answer to the commit was lost")
        return done


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(cycle, "DatabaseClock", lambda _database: one)
    monkeypatch.setattr(boot_clock, "time", one)
    monkeypatch.setitem(
        PLATFORMS,
        "gumloop",
        replace(PLATFORMS["gumloop"], polling=Polling(first=20.0, growth=2.0, max=60.0)),
    )
    return one


@pytest.fixture
def fake() -> Iterator[FakePlatform]:
    with FakePlatform(cap=1000, run_seconds=600.0) as platform:
        yield platform


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """What is logged: the lines of some events."""
    import io

    stream = io.StringIO()
    monkeypatch.setattr(logs, "setup", logs.LogSetup(stream=stream))
    yield lambda *events: [
        line for line in map(json.loads, stream.getvalue().splitlines()) if line["event"] in events
    ]


def row(database: Database, delivery_id: str) -> Any:
    with database.read() as connection:
        return connection.execute(
            select(schema.delivery).where(schema.delivery.c.id == delivery_id)
        ).one()


def statuses(database: Database, ids: list[str]) -> list[str]:
    return [get(database, one).status for one in ids]


# -- when there is a turn


def test_a_worker_with_nothing_to_do_asks_the_store_once_a_beat(
    sqlite: Database, clock: Clock
) -> None:
    hand = Hand(sqlite, configured(gumloop(url="http://127.0.0.1:1")))
    hand.step()
    first = hand.writes
    assert clock.sets == 1, "the first turn is a beat"
    hand.step()
    hand.step()
    reads = hand.reads
    for _ in range(5):
        clock.at += 0.5
        hand.step()
    assert (hand.reads, hand.writes, clock.sets) == (reads, first, 1)
    clock.at += BEAT - 2.5 - 0.25
    hand.step()
    assert (hand.writes, clock.sets) == (first, 1)
    clock.at += 0.25
    hand.step()
    assert (hand.writes, clock.sets) == (first + 1, 2)


def test_what_somebody_else_adds_is_taken_though_nothing_was_expected(
    sqlite: Database, clock: Clock
) -> None:
    hand = Hand(sqlite, configured(gumloop(url="http://127.0.0.1:1")))
    for _ in range(3):
        hand.step()
    ids = add(sqlite)
    hand.step()
    assert hand.waiting == ids


@pytest.mark.parametrize(
    ("due_in", "asks"), [(BEAT - 0.5, True), (BEAT, True), (BEAT + 0.5, False)]
)
def test_what_becomes_due_before_the_next_beat_is_waited_for(
    sqlite: Database, clock: Clock, due_in: float, asks: bool
) -> None:
    (one,) = add(sqlite, due_at=clock.at + due_in)
    hand = Hand(sqlite, configured(gumloop(url="http://127.0.0.1:1")))
    for _ in range(3):
        hand.step()
    reads = hand.reads
    hand.step()
    assert (hand.reads > reads, hand.waiting) == (asks, [])
    clock.at += due_in - 0.1
    hand.step()
    assert hand.waiting == []
    clock.at += 0.1
    hand.step()
    assert (hand.waiting, hand.sleeps) == ([one], [])


def test_a_turn_is_made_only_where_something_is_due(sqlite: Database, clock: Clock) -> None:
    hand = Hand(sqlite, configured(gumloop(url="http://127.0.0.1:1", max_concurrent_runs=1)))
    add(sqlite, due_at=clock.at + 1.0)
    hand.step()
    first = hand.writes
    clock.at += 0.9
    hand.step()
    assert hand.writes == first
    clock.at += 0.1
    hand.step()
    assert hand.writes == first + 1


def test_a_turn_between_two_beats_is_none(sqlite: Database, clock: Clock) -> None:
    hand = Hand(sqlite, configured(gumloop(url="http://127.0.0.1:1")))
    hand.step()
    began = clock.at
    clock.at += 1.0
    ids = add(sqlite)
    hand.step()
    assert hand.waiting == ids
    with sqlite.read() as connection:
        assert connection.execute(select(schema.worker.c.seen_at)).scalars().all() == [began]


def test_an_end_is_written_down_at_once_and_looked_for_again(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    (one,) = add(sqlite)
    hand.step()
    for _ in range(3):
        hand.step()  # nothing else is due
    hand.call()
    hand.step()
    assert get(sqlite, one).status == "delivered"


def test_a_changed_configuration_counts_from_the_next_step(sqlite: Database, clock: Clock) -> None:
    hand = Hand(sqlite, configured())
    ids = add(sqlite)
    for _ in range(3):
        hand.step()
    assert hand.waiting == []
    hand.config = configured(gumloop(url="http://127.0.0.1:1"))
    hand.step()
    assert hand.waiting == ids


def test_how_long_it_sleeps(
    sqlite: Database, clock: Clock, fake: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    worker = hand.worker

    def sleep() -> float:
        monkeypatch.setattr(worker, "_grown_at", 0.0)
        worker._wait()
        return hand.sleeps[-1]

    hand.step()
    assert sleep() == TIMINGS.idle_poll_seconds
    worker._cycle.listener.is_connected = True
    for _ in range(2):
        clock.at += BEAT
        hand.step()
        hand.step()
    assert sleep() == TIMINGS.quiet_poll_seconds, "a ring would be heard"
    worker._timings = replace(worker._timings, heartbeat_seconds=0.7)
    assert sleep() == 0.7
    worker._timings = sqlite.timings
    add(sqlite, due_at=clock.at + 1.0)
    hand.step()
    assert sleep() == TIMINGS.idle_poll_seconds, "something is due soon"


def test_it_sleeps_a_tick_while_calls_wait_and_until_the_next_look(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    (one,) = add(sqlite)
    hand.step()
    hand.worker._wait()
    assert hand.sleeps == [TIMINGS.pool_growth_seconds]
    hand.call()
    hand.step()
    hand.worker._grown_at = 0.0
    hand.worker._wait()
    assert hand.sleeps[-1] == TIMINGS.idle_poll_seconds, "the next look is later than that"
    clock.at = row(sqlite, one).poll_at - TIMINGS.idle_poll_seconds / 2
    hand.worker._grown_at = 0.0
    hand.worker._wait()
    assert hand.sleeps[-1] == pytest.approx(TIMINGS.idle_poll_seconds / 2, abs=1e-3)
    clock.at = row(sqlite, one).poll_at + 0.5
    hand.worker._wait()
    assert hand.sleeps[-1] == TIMINGS.idle_poll_seconds, "it is due already"


def test_it_does_not_rest_for_long_while_a_call_waits_for_a_thread(
    sqlite: Database, clock: Clock, fake: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    monkeypatch.setattr(worker_module, "time", _Monotonic([100.0]))
    hand.step()
    hand.worker._wait()
    add(sqlite)
    hand.step()
    hand.worker._wait()
    assert hand.sleeps == [
        TIMINGS.idle_poll_seconds,
        TIMINGS.pool_growth_seconds,
    ], "the pool grows after a tick"


def test_it_does_not_rest_for_long_while_a_poll_waits_for_a_thread(
    sqlite: Database, clock: Clock, fake: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    monkeypatch.setattr(worker_module, "time", _Monotonic([100.0]))
    delivery_id = add_with_due_look(hand, clock)
    hand.worker._wait()
    hand.step()
    assert hand.waiting == [f"look {delivery_id}"]
    hand.worker._wait()
    assert hand.sleeps[-1] == TIMINGS.pool_growth_seconds


def test_a_turn_claims_as_many_as_the_calls_that_it_settles(
    sqlite: Database, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake, max_concurrent_runs=100)))
    add(sqlite, cycle.MAX_CALLS + 8)
    hand.step()
    assert len(hand.waiting) == cycle.MAX_CALLS
    hand.call(*hand.waiting[:5])
    hand.step()
    assert len(hand.waiting) == cycle.MAX_CALLS


def test_half_of_the_calls_end_before_a_worker_that_makes_all_that_it_may_wakes_up(
    sqlite: Database, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake, max_concurrent_runs=100)))
    hand.worker._cycle._timings = replace(TIMINGS, pool_growth_seconds=60.0)
    rung = list[int]()
    hand.worker._wake.notify = lambda: rung.append(len(hand.waiting))  # type: ignore[method-assign]
    hand.asleep = lambda: hand.call(hand.waiting[0])
    add(sqlite, cycle.MAX_CALLS)
    hand.step()
    hand.worker._wait()
    assert len(hand.waiting) == cycle.MAX_CALLS // 2 - 1, "it slept once more, for no time"
    assert rung == [cycle.MAX_CALLS // 2, cycle.MAX_CALLS // 2 - 1]
    hand.step()
    rung.clear()
    hand.worker._wait()
    assert rung == [len(hand.waiting)], "each result wakes it when it may claim more"


def test_a_worker_whose_calls_all_take_long_rests_between_its_turns(
    sqlite: Database, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake, max_concurrent_runs=100)))
    hand.worker._cycle._timings = replace(TIMINGS, pool_growth_seconds=0.0)
    add(sqlite, cycle.MAX_CALLS)
    hand.step()
    hand.worker._cycle.wait(0.7)
    assert hand.sleeps == [0.7]
    hand.call(hand.waiting[0])
    hand.worker._cycle.wait(0.7)
    assert hand.sleeps == [0.7, 0.0], "a result is there"


def test_what_becomes_due_again_waits_a_fifth_of_a_second_at_most(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    """Nobody rings for a retry."""
    hand = Hand(sqlite, configured(gumloop(fake)))
    add(sqlite, due_at=clock.at + 1.0)
    hand.step()
    hand.worker._cycle.listener.is_connected = True
    hand.step()
    hand.worker._wait()
    assert hand.sleeps[-1] <= 0.2


def test_the_pool_is_asked_to_grow_no_more_than_once_a_tick(
    sqlite: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand(sqlite, configured())
    at = [100.0]
    grown = list[float]()
    monkeypatch.setattr(worker_module.time, "monotonic", lambda: at[0])
    hand.worker._cycle.calls.grow = lambda: bool(grown.append(at[0]))  # type: ignore[method-assign]
    for at[0] in (TIMINGS.pool_growth_seconds, 100.0, 100.001, 100.004, 100.0051, 100.006, 100.02):
        hand.worker._wait()
    assert grown == [TIMINGS.pool_growth_seconds, 100.0, 100.0051, 100.02]


# -- leases


def test_a_beat_keeps_the_leases_of_calls_under_way(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    """A call that takes longer than a lease, beside a second worker that takes over what is not
    kept.
    """
    first = Hand(sqlite, configured(gumloop(fake)))
    second = Hand(sqlite, configured(gumloop(fake)))
    (one,) = add(sqlite, on_unknown="retry")
    first.step()
    assert first.waiting == [one]
    began = clock.at
    while clock.at < began + TIMINGS.lease_seconds + 2 * BEAT:
        clock.at += BEAT
        first.step()
        assert row(sqlite, one).lease_until == clock.at + TIMINGS.lease_seconds
        second.step()
        assert (get(sqlite, one).status, second.waiting) == ("sending", [])
    first.call()
    first.step()
    assert (get(sqlite, one).status, len(fake.starts), get(sqlite, one).attempts) == (
        "delivered",
        1,
        1,
    )


def test_a_lease_outlasts_two_beats_that_come_late(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    """A machine that is busy for a while loses no call."""
    late = Hand(sqlite, configured(gumloop(fake)))
    other = Hand(sqlite, configured(gumloop(fake)))
    (one,) = add(sqlite, on_unknown="retry")
    late.step()
    for _ in range(3):
        clock.at += BEAT
        other.step()
    assert (get(sqlite, one).status, other.waiting) == ("sending", [])
    late.step()
    assert row(sqlite, one).lease_until == clock.at + TIMINGS.lease_seconds


def test_the_lease_of_a_call_that_has_ended_is_not_kept(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    (one,) = add(sqlite)
    hand.step()
    hand.call()
    hand.step()
    assert (row(sqlite, one).lease, hand.worker._cycle.turns.held) == (None, {})


def test_what_a_dead_worker_left_is_taken_over_when_its_lease_is_over(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    dead = Hand(sqlite, configured(gumloop(fake)))
    other = Hand(sqlite, configured(gumloop(fake)))
    asked, repeatable = (*add(sqlite, on_unknown="reconcile"), *add(sqlite, on_unknown="retry"))
    dead.step()
    began = clock.at
    other.step()
    clock.at += TIMINGS.lease_seconds
    other.step()
    assert statuses(sqlite, [asked, repeatable]) == ["sending"] * 2
    clock.at += BEAT
    other.step()
    assert get(sqlite, asked).status == "unknown"
    assert row(sqlite, asked).poll_at == began + gumloop(fake).timeout + 60.0, (
        "then its run is looked for"
    )
    assert get(sqlite, repeatable).status == "queued"
    clock.at = row(sqlite, asked).poll_at
    other.step()
    assert sorted(other.waiting) == sorted([repeatable, f"look {asked}"])


def test_nothing_is_taken_over_soon_after_the_store_has_failed(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    """Others may have been kept from extending their leases by the same failure."""
    other = Hand(sqlite, configured(gumloop(fake)))
    ours = Hand(sqlite, configured(gumloop(fake)))
    (one,) = add(sqlite, on_unknown="hold")
    other.step()
    ours.step()
    clock.at += TIMINGS.lease_seconds - 1.0
    ours.fails = "before"
    ours.step()
    failed_at = clock.at
    ours.fails = None
    while clock.at < failed_at + TIMINGS.lease_seconds:
        clock.at += 1.0
        ours.step()
        assert get(sqlite, one).status == "sending"
    clock.at += BEAT
    ours.step()
    assert get(sqlite, one).status == "unknown"


# -- a store that fails


def test_a_turn_that_failed_is_tried_again_after_a_second(
    sqlite: Database, clock: Clock, fake: FakePlatform, lines: Any
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    (one,) = add(sqlite)
    hand.step()
    hand.call()
    hand.fails = "before"
    hand.step()
    assert (hand.sleeps, get(sqlite, one).status) == ([1.0], "sending")
    assert [line["error"] for line in lines("store_failed")] == ["OperationalError: disk I/O error"]
    hand.fails = None
    hand.step()
    assert (get(sqlite, one).status, get(sqlite, one).attempts, len(fake.starts)) == (
        "delivered",
        1,
        1,
    )


def test_a_store_that_fails_from_the_first_turn_on_is_waited_for(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    ids = add(sqlite)
    hand.fails = "before"
    for _ in range(3):
        hand.step()
    assert (hand.sleeps, hand.waiting, statuses(sqlite, ids)) == ([1.0] * 3, [], ["queued"])
    hand.fails = None
    hand.step()
    assert hand.waiting == ids


def test_a_beat_follows_a_turn_that_failed_at_once(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    add(sqlite)
    hand.step()
    clock.at += 1.0
    hand.call()
    hand.fails = "before"
    hand.step()
    add(sqlite, due_at=clock.at + 100)
    hand.fails = None
    sets = clock.sets
    hand.step()
    assert clock.sets == sets + 1
    with sqlite.read() as connection:
        assert connection.execute(select(schema.worker.c.seen_at)).scalars().all() == [clock.at]


def test_what_turns_that_failed_took_is_handed_back(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    """The commits were made, and their answers lost: the next turn hands back what they claimed."""
    hand = Hand(sqlite, configured(gumloop(fake)))
    hand.step()  # the first beat has a commit of its own, for the clocks
    first = add(sqlite, 2)
    hand.fails = "after"
    hand.step()
    assert (statuses(sqlite, first), hand.waiting, slots(sqlite)) == (["sending"] * 2, [], 2)
    second = add(sqlite)
    hand.step()
    assert (statuses(sqlite, second), hand.waiting) == (["sending"], [])
    hand.fails = None
    hand.step()
    assert sorted(hand.waiting) == sorted([*first, *second])
    hand.call()
    hand.step()
    assert {
        (one.status, one.attempts) for one in (get(sqlite, each) for each in (*first, *second))
    } == {("delivered", 1)}
    assert (
        all(len(attempts(sqlite, one)) == 1 for one in (*first, *second)) and len(fake.starts) == 3
    )


def test_looks_that_a_turn_took_that_failed_are_made_once(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    one = add_with_due_look(hand, clock)
    hand.fails = "after"
    hand.step()
    assert (hand.waiting, row(sqlite, one).poll_at > clock.at) == ([], True)
    hand.fails = None
    hand.step()
    assert hand.waiting == [f"look {one}"]
    poll_at = row(sqlite, one).poll_at
    clock.at += BEAT
    hand.step()
    assert (hand.waiting, row(sqlite, one).poll_at) == (
        [f"look {one}"],
        poll_at,
    ), "it is given back once, not in each turn from then on"


def test_a_result_that_cannot_be_written_loses_no_other(
    sqlite: Database, clock: Clock, fake: FakePlatform, monkeypatch: pytest.MonkeyPatch, lines: Any
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake, max_concurrent_runs=50)))
    record = ledger.record_attempts
    bad, *good = add(sqlite, 4, on_unknown="hold")
    hand.step()
    hand.call()

    def failing(connection: Any, settled: Any, now: float, *, jitter: float) -> Any:
        if any(
            each.claim.delivery.id == bad and each.outcome.kind is OutcomeKind.STARTED
            for each in settled
        ):
            raise ZeroDivisionError("a fault of our own")
        return record(connection, settled, now, jitter=jitter)

    monkeypatch.setattr(ledger, "record_attempts", failing)
    hand.step()
    assert (statuses(sqlite, good), get(sqlite, bad).status, hand.sleeps) == (
        ["delivered"] * 3,
        "sending",
        [1.0],
    )
    assert (len(lines("turn_failed")), len(lines("result_lost")), len(lines("attempt"))) == (
        1,
        1,
        4,
    )
    hand.step()
    assert (len(lines("turn_failed")), len(lines("result_lost")), len(lines("attempt"))) == (
        1,
        1,
        4,
    ), "none is written again"
    clock.at += TIMINGS.lease_seconds
    hand.step()
    clock.at += BEAT
    hand.step()
    assert (get(sqlite, bad).status, get(sqlite, bad).reason) == (
        "unknown",
        WORKER_DIED.detail,
    ), "its lease was not kept"


# -- what a turn takes


def test_no_more_calls_and_looks_are_under_way_than_there_is_room_for(
    sqlite: Database, clock: Clock, fake: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cycle, "MAX_CALLS", 3)
    hand = Hand(sqlite, configured(gumloop(fake, max_concurrent_runs=50)))
    (followed,) = add(sqlite, saved_item_id="followed")
    hand.step()
    hand.call()
    hand.step()
    clock.at = row(sqlite, followed).poll_at
    ids = add(sqlite, 4)
    hand.step()
    assert sorted(hand.waiting) == sorted([f"look {followed}", *ids[:2]]), (
        "a look, and what room it leaves"
    )
    hand.step()
    assert len(hand.waiting) == 3
    hand.call(ids[0])
    hand.step()
    hand.step()
    assert sorted(hand.waiting) == sorted([f"look {followed}", *ids[1:3]])
    hand.call(f"look {followed}")
    hand.step()
    hand.step()
    assert sorted(hand.waiting) == sorted(ids[1:])


def test_a_worker_without_room_leaves_the_slots_to_others(
    sqlite: Database, clock: Clock, fake: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who claims keeps all other workers from claiming meanwhile."""
    monkeypatch.setattr(cycle, "MAX_CALLS", 1)
    asked = list[int]()
    claim = claims.claim
    monkeypatch.setattr(
        claims,
        "claim",
        lambda *given, limit, **more: asked.append(limit) or claim(*given, limit=limit, **more),
    )
    hand = Hand(sqlite, configured(gumloop(fake)))
    ids = add(sqlite, 2)
    for _ in range(3):
        hand.step()
        clock.at += BEAT
    assert (asked, hand.waiting) == ([1], ids[:1])


def test_nothing_is_started_while_starts_are_held_and_runs_are_followed(
    sqlite: Database, clock: Clock, fake: FakePlatform, lines: Any
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    followed = add_with_due_look(hand, clock)
    sqlite.write(lambda connection: hold.begin(connection, "a test", clock.at))
    ids = add(sqlite)
    for _ in range(3):
        hand.step()
        clock.at += BEAT
    assert (hand.waiting, statuses(sqlite, ids)) == ([f"look {followed}"], ["queued"])
    assert [line["event"] for line in lines("starts_held", "starts_released")] == ["starts_held"]
    sqlite.write(lambda connection: connection.execute(schema.hold.delete()))
    hand.step()
    assert hand.waiting == [f"look {followed}", *ids]
    assert [line["event"] for line in lines("starts_held", "starts_released")] == [
        "starts_held",
        "starts_released",
    ]


def test_a_worker_that_is_to_stop_takes_nothing(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    ids = add(sqlite)
    hand.worker.stop()
    hand.step()
    assert (hand.waiting, statuses(sqlite, ids)) == ([], ["queued"])


def test_a_worker_learns_from_what_its_calls_met(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    """The platform has no room: what it says is learned in the turn that settles the call, and the
    next start waits for it.
    """
    fake.faults = [429]
    fake.retry_after = "50"
    hand = Hand(sqlite, configured(gumloop(fake)))
    first, second = add(sqlite, 2)
    hand.step()
    hand.call(first)
    hand.step()
    assert get(sqlite, first).status == "queued"
    with sqlite.read() as connection:
        (known,) = connection.execute(select(schema.circuit)).all()
    assert known.platform == "gumloop" and known.not_before >= clock.at + 50.0
    assert hand.waiting == [second]


def test_routes_that_are_paused_or_limited_are_as_the_configuration_says_now(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    def route(**more: Any) -> Route:
        return Route(name="triage", source="x", flow=None, reshape=lambda _: {}, **more)  # type: ignore[arg-type]

    hand = Hand(sqlite, configured(gumloop(fake), routes=(route(mode=Mode.PAUSED),)))
    ids = add(sqlite, 2)
    hand.step()
    assert hand.waiting == []
    hand.config = configured(gumloop(fake), routes=(route(limits=Limits(max_concurrent_runs=1)),))
    hand.step()
    assert hand.waiting == ids[:1]


def test_what_a_configuration_allows_is_worked_out_once(
    sqlite: Database, clock: Clock, fake: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked_out: list[Config] = []
    monkeypatch.setattr(
        turn, "find_allowed", lambda config: worked_out.append(config) or find_allowed(config)
    )
    hand = Hand(sqlite, configured(gumloop(fake)))
    first = hand.config
    for _ in range(3):
        add(sqlite)
        hand.step()
    hand.config = second = configured(gumloop(fake))
    add(sqlite)
    hand.step()
    assert [id(each) for each in worked_out] == [id(first), id(second)]


def test_each_turn_leases_under_a_name_of_its_own(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    leases = []
    for _ in range(2):
        (one,) = add(sqlite)
        hand.step()
        leases.append(row(sqlite, one).lease)
    assert len(set(leases)) == 2 and all(lease.startswith(f"{hand.worker.id}:") for lease in leases)


def test_routes_share_the_slots_over_turns(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake, max_concurrent_runs=1)))
    many = add(sqlite, 3, "many")
    other = add(sqlite, 1, "other")
    begun = []
    for _ in range(3):
        hand.step()
        begun += hand.waiting
        fake.faults = [400]
        hand.call()
        hand.step()
        begun += [one for one in hand.waiting if one not in begun]
    assert set(begun[:2]) & set(many) and set(begun[:2]) & set(other), (
        "one of each of the two goes first"
    )


def test_an_attempt_has_its_claim_and_the_time_of_the_last_beat(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    """A call that comes to its turn after its lease was lost is not made; one whose lease a beat
    has kept is.
    """
    hand = Hand(sqlite, configured(gumloop(fake, timeout=1000.0)))
    kept, lost = add(sqlite, 2)
    hand.step()
    for _ in range(4):
        clock.at += BEAT
        hand.step()
    hand.call(kept)
    clock.at += TIMINGS.lease_seconds
    hand.call(lost)
    hand.step()
    assert (get(sqlite, kept).status, [each.outcome for each in attempts(sqlite, lost)][:1]) == (
        "delivered",
        ["refused"],
    )
    assert len(fake.starts) == 1


def test_a_heartbeat_whose_commit_fails_extends_the_time_of_no_call(
    sqlite: Database, clock: Clock, fake: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread takes the call when its lease is over, while that heartbeat is being committed."""
    hand = Hand(sqlite, configured(gumloop(fake, timeout=1000.0)))
    (delivery_id,) = add(sqlite)
    hand.step()
    turns = hand.worker._cycle.turns
    make_turn = turns.make

    def fail_to_commit(*args: Any) -> None:
        make_turn(*args)
        hand.call()
        raise StoreError("OperationalError: disk I/O error")

    clock.at += TIMINGS.lease_seconds
    with monkeypatch.context() as patch:
        patch.setattr(turns, "make", fail_to_commit)
        hand.step()
    hand.step()
    assert [attempt.outcome for attempt in attempts(sqlite, delivery_id)] == ["refused"]
    assert (get(sqlite, delivery_id).status, fake.starts) == ("queued", [])


# -- an engine that makes the calls elsewhere


def test_claims_go_to_the_relay_without_an_intent_and_come_back_where_it_does_not_take_them(
    sqlite: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        cycle, "MAX_CALLS", 0
    )  # of this worker's own: the relay has room of its own
    told: list[str] = []

    def publish(delivery_id: str, _lease: str) -> None:
        if told:
            raise ConnectionError
        told.append(delivery_id)

    hand = Hand(
        sqlite, configured(gumloop(url="http://127.0.0.1:1")), relay=BrokerRelay(publish, (1.0,))
    )
    first, second = add(sqlite, 2)
    hand.step()
    assert (told, hand.waiting) == ([first], [])
    assert (statuses(sqlite, [first, second]), attempts(sqlite, first)) == (
        ["sending", "queued"],
        [],
    )
    hand.step()
    assert get(sqlite, second).status == "queued", "nothing is leased while the broker is away"
    lease_until = row(sqlite, first).lease_until
    clock.at += BEAT
    hand.step()
    assert row(sqlite, first).lease_until == lease_until, "whoever makes the call keeps its lease"


# -- the end


def test_at_the_end_what_has_not_begun_is_handed_back_and_what_has_is_waited_for(
    sqlite: Database, clock: Clock, fake: FakePlatform, lines: Any
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    begun, untouched = add(sqlite, 2)
    hand.step()
    [(_, task)] = [each for each in hand.tasks if each[0] == begun]
    hand.tasks = [each for each in hand.tasks if each[0] != begun]  # a thread has taken it
    hand.asleep = lambda: task() if not fake.starts else None
    hand.worker.stop()
    hand.worker.run()
    assert (get(sqlite, begun).status, get(sqlite, begun).attempts) == ("delivered", 1)
    assert (
        get(sqlite, untouched).status,
        get(sqlite, untouched).attempts,
        attempts(sqlite, untouched),
    ) == ("queued", 0, [])
    assert (len(fake.starts), slots(sqlite), hand.closed) == (1, 1, True)
    assert set(hand.sleeps) == {0.1}
    assert [line["handed_back"] for line in lines("worker_stopped")] == [1]
    with sqlite.read() as connection:
        assert connection.execute(select(schema.worker)).all() == []


def test_at_the_end_what_goes_on_is_unknown_and_what_has_ended_is_not(
    sqlite: Database, clock: Clock, fake: FakePlatform, lines: Any
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    over, going_on = add(sqlite, 2)
    hand.step()
    hand.call(over)  # its end is not written down yet
    hand.tasks.clear()  # a thread has the other
    hand.worker.stop(within=0.0)
    hand.worker.run()
    assert statuses(sqlite, [over, going_on]) == ["delivered", "unknown"]
    assert "flowbridge was stopped while the call was under way" in (
        get(sqlite, going_on).reason or ""
    )
    with sqlite.read() as connection:
        assert connection.execute(select(schema.circuit)).all() == [], (
            "it says nothing of the platform"
        )
    assert hand.sleeps == [], "no time was given"
    assert len(lines("attempt")) == 2
    assert hand.closed


def test_at_the_end_what_has_ended_while_the_store_failed_is_not_unknown(
    sqlite: Database, clock: Clock, fake: FakePlatform, lines: Any
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    over, going_on = add(sqlite, 2)
    hand.step()
    hand.call(over)
    hand.tasks.clear()
    hand.fails = "before"
    hand.asleep = lambda: setattr(hand, "fails", None)
    hand.worker.stop(within=0.0)
    hand.worker.run()
    assert statuses(sqlite, [over, going_on]) == ["delivered", "unknown"]
    assert len(attempts(sqlite, over)) == 1
    assert len(lines("attempt")) == 2


def test_it_is_given_the_time_that_is_said_or_the_usual(
    sqlite: Database, clock: Clock, fake: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [1000.0]
    monkeypatch.setattr(worker_module, "time", _Monotonic(at))
    for within, seconds in ((None, TIMINGS.drain_seconds), (20.0, 20.0)):
        hand = Hand(sqlite, configured(gumloop(fake)))
        add(sqlite)
        hand.step()
        hand.tasks.clear()
        began = at[0]

        def sleep() -> None:
            at[0] += 0.5

        hand.asleep = sleep
        hand.worker.stop(within)
        hand.worker.run()
        assert at[0] - began == seconds


class _Monotonic:
    def __init__(self, at: list[float]) -> None:
        self._at = at

    def monotonic(self) -> float:
        return self._at[0]


def test_looks_under_way_are_handed_back_at_the_end(
    sqlite: Database, clock: Clock, fake: FakePlatform
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    one = add_with_due_look(hand, clock)
    hand.step()
    assert row(sqlite, one).poll_at > clock.at
    hand.worker.stop()
    hand.worker.run()
    assert (row(sqlite, one).poll_at, hand.sleeps) == (clock.at, []), "a look is not waited for"


def test_what_has_not_begun_is_handed_back_once_the_store_works_again(
    sqlite: Database, clock: Clock, fake: FakePlatform, lines: Any
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    followed = add_with_due_look(hand, clock)
    (untouched,) = add(sqlite)
    hand.step()
    hand.fails = "before"
    hand.asleep = lambda: setattr(hand, "fails", None)
    hand.worker.stop()
    hand.worker.run()
    assert len(lines("store_failed")) == 1
    assert (get(sqlite, untouched).status, attempts(sqlite, untouched)) == ("queued", [])
    assert row(sqlite, followed).poll_at == clock.at


def test_a_store_that_fails_at_the_end_keeps_nothing_from_ending(
    sqlite: Database, clock: Clock, fake: FakePlatform, lines: Any
) -> None:
    hand = Hand(sqlite, configured(gumloop(fake)))
    (one,) = add(sqlite)
    hand.step()
    hand.fails = "before"
    hand.worker.stop(within=0.0)
    hand.worker.run()
    assert len(lines("store_failed")) == 3
    assert (get(sqlite, one).status, hand.closed) == (
        "sending",
        True,
    ), "it is taken over when its lease has run out"


def test_the_threads_of_a_worker_end_with_it(postgresql: Database) -> None:
    before = set(threading.enumerate())
    hand = Hand(postgresql, configured())
    ran = threading.Thread(target=hand.worker.run)
    hand.asleep = lambda: time.sleep(0.001)
    ran.start()
    until(lambda: hand.worker._cycle.listener.is_connected, what="a listener")
    assert {"listener", "housekeeping"} <= {thread.name for thread in threading.enumerate()}
    hand.worker.stop()
    ran.join(60)
    until(lambda: not set(threading.enumerate()) - before, what="the end of its threads")


# -- runs of the local platform


@contextmanager
def with_flows(
    database: Database, data: Path, flows: Mapping[str, Any] = READY_FLOWS, **more: Any
) -> Iterator[Hand]:
    hand = Hand(database, configured(LOCAL), flows=flows, data=data, **more)
    try:
        yield hand
    finally:
        hand.worker.stop(within=0.0)
        hand.worker.run()


def turns_until(hand: Hand, condition: Callable[[], object]) -> None:
    def one() -> object:
        hand.step()
        return condition()

    until(one, what="it")


@pytest.mark.usefixtures("new_processes")
def test_a_run_that_another_worker_has_taken_over_is_left_to_it(
    sqlite: Database, tmp_path: Path, clock: Clock, lines: Any
) -> None:
    with with_flows(
        sqlite, tmp_path, flows=READY_FLOWS | {"slow": slow_flow(tmp_path, 600)}
    ) as hand:
        goes_on = start_run(sqlite, "slow")
        turns_until(hand, lambda: begun(tmp_path))
        ends = start_run(sqlite, "sleep", '{"seconds": 0.5}')
        turns_until(hand, lambda: run_of(sqlite, ends).state == "RUNNING")
        with sqlite.engine.begin() as connection:
            connection.execute(update(schema.local_run).values(lease="another worker"))
        turns_until(hand, lambda: lines("run_ended"))
        assert run_of(sqlite, ends).state == "RUNNING", "its end is not ours to write down"
        clock.at += BEAT
        hand.step()
        assert [line["run_id"] for line in lines("lease_lost")] == [goes_on]
        with sqlite.read() as connection:
            assert set(connection.execute(select(schema.local_run.c.lease)).scalars()) == {
                "another worker"
            }
            assert (
                max(connection.execute(select(schema.local_run.c.lease_until)).scalars())
                < clock.at + TIMINGS.lease_seconds
            )
        assert not hand.worker._cycle.local or not hand.worker._cycle.local.is_busy
        (process,) = begun(tmp_path)
        until(
            lambda: not is_alive(int(process.name.partition("-")[2])), what="the end of its process"
        )


@pytest.mark.usefixtures("new_processes")
def test_no_run_begins_while_starts_are_held(
    sqlite: Database, tmp_path: Path, clock: Clock, lines: Any
) -> None:
    sqlite.write(lambda connection: hold.begin(connection, "a test", clock.at))
    with with_flows(sqlite, tmp_path) as hand:
        one = start_run(sqlite, "echo")
        turns_until(hand, lambda: lines("flows_loaded"))
        for _ in range(5):
            clock.at += BEAT
            hand.step()
        assert run_of(sqlite, one).state == "QUEUED"
        sqlite.write(lambda connection: connection.execute(schema.hold.delete()))
        clock.at += BEAT
        turns_until(hand, lambda: run_of(sqlite, one).state == "DONE")


@pytest.mark.usefixtures("new_processes")
def test_a_worker_without_a_run_under_way_ends_at_once(
    sqlite: Database, tmp_path: Path, clock: Clock
) -> None:
    hand = Hand(sqlite, configured(LOCAL), flows=READY_FLOWS, data=tmp_path)
    hand.worker.stop()
    hand.worker.run()
    assert hand.sleeps == []


@pytest.mark.usefixtures("new_processes")
def test_what_is_for_local_flows_waits_until_those_of_a_changed_configuration_are_loaded(
    sqlite: Database, tmp_path: Path, clock: Clock, lines: Any
) -> None:
    with with_flows(sqlite, tmp_path) as hand:
        turns_until(hand, lambda: lines("flows_loaded"))
        hand.config = configured(replace(LOCAL, flows="others.py"))
        ids = add(sqlite, platform="local", flow="local/echo", saved_item_id="echo")
        hand.step()
        assert hand.waiting == [] or len(lines("flows_loaded")) == 2
        turns_until(hand, lambda: hand.waiting == ids)
        assert len(lines("flows_loaded")) == 2
        hand.tasks.clear()


@pytest.mark.usefixtures("new_processes")
def test_flows_that_are_loaded_while_a_worker_idles_are_stored_at_once(
    sqlite: Database, tmp_path: Path, clock: Clock, lines: Any
) -> None:
    def list_flows() -> list[str]:
        with sqlite.read() as connection:
            return [stored.id for stored in local_flows.list_flows(connection)]

    with with_flows(sqlite, tmp_path) as hand:
        turns_until(hand, lambda: lines("flows_loaded"))
        clock.at += BEAT
        for _ in range(3):  # a heartbeat, its change of the store, and nothing
            hand.step()
        reads = hand.reads
        hand.step()
        assert hand.reads == reads, "it idles"
        hand.worker._cycle._results.put(FlowsLoaded([LocalFlow(id="mine", workbook="mine.py")]))
        hand.step()
        assert list_flows() == ["mine"]


@pytest.mark.usefixtures("new_processes")
def test_flows_that_are_missing_are_said_once_for_each_change(
    sqlite: Database, tmp_path: Path, clock: Clock, lines: Any
) -> None:
    def naming(*names: str) -> Config:
        flows = [Flow(name=name, platform="local", saved_item_id=name) for name in names]
        return configured(
            LOCAL,
            routes=tuple(
                Route(name=f"to-{one.name}", source="x", flow=one, reshape=lambda _: {})
                for one in flows
            ),
        )

    with with_flows(sqlite, tmp_path) as hand:
        hand.config = naming("echo", "gone", "lost")
        turns_until(hand, lambda: lines("flows_loaded"))
        for _ in range(3):
            clock.at += BEAT
            hand.step()
        assert [(line["level"], line["flows"]) for line in lines("flows_missing")] == [
            ("warning", {"to-gone": "gone", "to-lost": "lost"})
        ]
        assert not lines("flows_found")
        for names in (("echo", "lost"), ("echo", "lost"), ("lost", "new"), ("echo",)):
            hand.config = naming(*names)
            hand.step()
            hand.step()
        assert [line["flows"] for line in lines("flows_missing")][1:] == [{"to-new": "new"}]
        assert [line["flows"] for line in lines("flows_found")] == [
            {"to-gone": "gone"},
            {"to-lost": "lost", "to-new": "new"},
        ]


@pytest.mark.usefixtures("new_processes")
def test_a_run_whose_end_is_asked_for_ends_and_the_flows_are_written_down(
    sqlite: Database, tmp_path: Path, clock: Clock
) -> None:
    with with_flows(sqlite, tmp_path) as hand:
        one = start_run(sqlite, "sleep", '{"seconds": 600}')
        turns_until(hand, lambda: run_of(sqlite, one).state == "RUNNING")
        with sqlite.read() as connection:
            assert {
                flow.id for flow in connection.execute(select(schema.local_flow))
            } == READY_FLOWS.keys()
        sqlite.write(lambda connection: runs.kill(connection, one, clock.at))
        turns_until(hand, lambda: run_of(sqlite, one).state == "TERMINATED")


@pytest.mark.usefixtures("new_processes")
def test_runs_that_a_turn_took_that_failed_are_begun_once(
    sqlite: Database, tmp_path: Path, clock: Clock, lines: Any
) -> None:
    with with_flows(sqlite, tmp_path) as hand:
        turns_until(hand, lambda: lines("flows_loaded"))
        hand.step()
        one = start_run(sqlite, "echo", '{"a": 1}')
        hand.fails = "after"
        hand.step()
        assert run_of(sqlite, one).state == "RUNNING"
        hand.fails = None
        turns_until(hand, lambda: run_of(sqlite, one).state == "DONE")
        assert run_of(sqlite, one).outputs == {"a": 1}


@flow
def sizes(file: File) -> dict[str, int]:
    return {"size": len(file.read_bytes())}


def upload(database: Database, blobs: BlobStore) -> None:
    """Store six bytes as the file a.txt."""
    blob = blobs.store(b"secret")
    file = LocalFile(user_id="u", name="a.txt", sha256=blob, size=6, created_at=time.time())
    database.write(lambda connection: local_files.store_file(connection, file))


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    ("number", "state"), [(errno.EMFILE, "QUEUED"), (errno.ENOMEM, "QUEUED"), (errno.EIO, "FAILED")]
)
def test_a_run_whose_files_find_no_room_waits(
    sqlite: Database, tmp_path: Path, clock: Clock, lines: Any, number: int, state: str
) -> None:
    upload(sqlite, BlobStore(tmp_path / "blobs"))
    with with_flows(sqlite, tmp_path, {"sizes": sizes}) as hand:
        turns_until(hand, lambda: lines("flows_loaded"))
        hand.step()
        local = hand.worker._cycle.local
        assert local is not None

        def refuse(_run_id: str, _sha256: str) -> str:
            raise OSError(number, os.strerror(number))

        leases = local._leases
        local._specs._leases = SimpleNamespace(readable_path=refuse)  # type: ignore[assignment]
        one = start_run(sqlite, "sizes", '{"file": "a.txt"}')
        hand.step()
        assert run_of(sqlite, one).state == state
        local._specs._leases = leases
        if state == "QUEUED":
            turns_until(hand, lambda: run_of(sqlite, one).state == "DONE")


def lent_files() -> int:
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += one.readlink().name.startswith("memfd:lent")
    return found


@pytest.mark.usefixtures("new_processes")
def test_files_that_a_turn_lent_and_failed_are_taken_back(
    sqlite: Database, tmp_path: Path, clock: Clock, lines: Any
) -> None:
    key = urlsafe_b64encode(b"k" * 32).decode()
    upload(sqlite, BlobStore(tmp_path / "blobs", Sealer((key,))))
    with with_flows(sqlite, tmp_path, {"sizes": sizes}, keys=key) as hand:
        turns_until(hand, lambda: lines("flows_loaded"))
        hand.step()
        one = start_run(sqlite, "sizes", '{"file": "a.txt"}')
        hand.fails = "after"
        hand.step()
        assert (run_of(sqlite, one).state, lent_files()) == ("RUNNING", 1)
        hand.step()
        assert (run_of(sqlite, one).state, lent_files()) == ("RUNNING", 1)
        hand.fails = None
        sqlite.write(lambda connection: runs.kill(connection, one, clock.at))
        turns_until(hand, lambda: run_of(sqlite, one).state == "TERMINATED")
        assert lent_files() == 0


@pytest.mark.usefixtures("new_processes")
def test_a_worker_whose_flow_host_died_ends_with_an_error(
    sqlite: Database, tmp_path: Path, clock: Clock, fake: FakePlatform
) -> None:
    """What is under way is finished first, though nobody has said how long that may take."""
    hand = Hand(sqlite, configured(LOCAL, gumloop(fake)), flows=READY_FLOWS, data=tmp_path)
    (one,) = add(sqlite)
    hand.step()
    tasks = hand.tasks
    hand.tasks = []
    hand.asleep = lambda: [task() for _, task in tasks if not fake.starts]  # type: ignore[func-returns-value]
    assert hand.worker._cycle.local is not None
    hand.worker._cycle.local.is_lost = True
    with pytest.raises(BridgeError, match="the flow host died"):
        hand.worker.run()
    assert (get(sqlite, one).status, hand.closed) == ("delivered", True)


# -- what the configuration says now of what was planned earlier


def claim_of(**changes: Any) -> Claim:
    delivery: Delivery = make_delivery(make_event("1"), **changes)
    return Claim(delivery, 1, "w:1", 1000.0)


@pytest.mark.parametrize(
    ("claim", "at"),
    [
        (claim_of(platform="gumloop", on_unknown="reconcile"), 1000.0 + 25.0 + 60.0),
        (claim_of(platform="gone", on_unknown="reconcile"), 1000.0 + 60.0),
        (claim_of(platform="gumloop", on_unknown="hold"), None),
        (claim_of(platform="gumloop", on_unknown="retry"), None),
    ],
)
def test_a_run_is_looked_for_after_the_deadline_of_its_call(claim: Claim, at: float | None) -> None:
    assert (
        reconcile_at(configured(gumloop(url="http://x", timeout=25.0)), claim, 60.0, 1001.0) == at
    )


def test_what_a_configuration_allows() -> None:
    def route(name: str, **more: Any) -> Route:
        return Route(name=name, source="x", flow=None, reshape=lambda _: {}, **more)  # type: ignore[arg-type]

    limits = Limits(max_concurrent_runs=2)
    routes = (
        route("plain"),
        route("paused", mode=Mode.PAUSED),
        route("shadow", mode=Mode.SHADOW),
        route("limited", limits=limits),
    )
    allowed = find_allowed(
        configured(gumloop(url="http://x", max_concurrent_runs=7), LOCAL, routes=routes)
    )
    assert (allowed.caps, allowed.limits, allowed.paused) == (
        {"gumloop": 7, "local": 4},
        {"limited": limits},
        {"paused"},
    )


@pytest.mark.parametrize(
    ("awaits", "caps", "absent", "has"),
    [
        (True, {"gumloop": 7}, set(), {}),
        (False, {"gumloop": 7, "local": 4}, {("local", "b")}, {"local": ["a"]}),
    ],
)
def test_starts_of_local_flows_that_there_are_not_yet_are_not_allowed(
    awaits: bool, caps: Any, absent: Any, has: Any
) -> None:
    names = (("a", "local"), ("b", "local"), ("c", "gumloop"))
    flows = [Flow(name=name, platform=platform, saved_item_id=name) for name, platform in names]
    routes = tuple(
        Route(name=flow.name, source="x", flow=flow, reshape=lambda _: {}) for flow in flows
    )
    config = configured(gumloop(url="http://x", max_concurrent_runs=7), LOCAL, routes=routes)
    local: Any = SimpleNamespace(
        is_awaited=awaits, ids=lambda _: ["a"], find_absent=Config.absent_flows
    )
    allowed = exclude_missing_flows(find_allowed(config), config, local, None)  # type: ignore[arg-type]
    assert (allowed.caps, allowed.absent, allowed.flows) == (caps, absent, has)


def test_a_hold_is_seen_and_its_changes_are_said(database: Database, lines: Any) -> None:
    def seen(before: bool) -> bool:
        return database.write(lambda connection: read_hold(connection, before))

    assert [seen(False), len(lines("starts_held", "starts_released"))] == [False, 0]
    database.write(lambda connection: hold.begin(connection, "a test", 1.0))
    assert [seen(False), seen(True)] == [True, True]
    assert [line["event"] for line in lines("starts_held", "starts_released")] == ["starts_held"]
    database.write(lambda connection: connection.execute(schema.hold.delete()))
    assert [seen(True), seen(False)] == [False, False]
    assert [line["event"] for line in lines("starts_held", "starts_released")] == [
        "starts_held",
        "starts_released",
    ]


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("name", ["a\0b", "x" * 10_000, ""])
def test_a_run_that_names_a_file_which_cannot_exist_fails_alone(
    postgresql: Database, tmp_path: Path, clock: Clock, name: str
) -> None:
    with with_flows(postgresql, tmp_path, flows=READY_FLOWS | {"sizes": sizes}) as hand:
        wrong = start_run(postgresql, "sizes", json.dumps({"file": name}))
        right = start_run(postgresql, "echo")
        turns_until(hand, lambda: run_of(postgresql, right).state == "DONE")
        assert run_of(postgresql, wrong).state == "FAILED"
        (said,) = run_of(postgresql, wrong).log
        assert said == f"file: there is no uploaded file {name!r:.300}"
