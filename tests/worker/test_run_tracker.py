"""Looks at runs, with real stores and real sockets: few, together, and soon where somebody waits
for a slot.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from records import NOW, make_delivery, make_event
from servers import FakePlatform
from serving import until
from sqlalchemy import func, select
from worker_bench import add, configured, ended, get, gumloop, wait, working

from bridge.core.model import Delivery, Order, RunState, Status
from bridge.core.status import RunReport
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.polling import Polling
from bridge.routing.model import Platform
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queue import run_tracking
from bridge.store.tables import schema
from bridge.worker import run_tracker
from bridge.worker.results import PollEnded
from bridge.worker.thread_pool import ThreadPool
from bridge.worker.turn_changes import TurnChanges

pytestmark = [
    pytest.mark.usefixtures("slow"),
    pytest.mark.timings(idle_poll_seconds=0.05, allowance_raise_first_seconds=0.125),
]

DELIVERY = schema.delivery.c


def finished(database: Database) -> int:
    with database.read() as connection:
        return (
            connection.execute(
                select(func.count()).where(DELIVERY.finished_at.isnot(None))
            ).scalar()
            or 0
        )


def column(database: Database, column: Any) -> set[Any]:
    with database.read() as connection:
        return set(connection.execute(select(column)).scalars())


@pytest.fixture
def quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the intervals of polls be a quarter of the usual ones, as the runs here are."""
    polling = Polling(first=0.125, growth=2.0, max=7.5, least=0.0125)
    monkeypatch.setitem(PLATFORMS, "gumloop", replace(PLATFORMS["gumloop"], polling=polling))


@pytest.mark.usefixtures("quarter")
def test_a_burst_over_the_cap_all_starts_with_few_looks(sqlite: Database) -> None:
    """Nothing is refused, and each run costs few looks."""
    with FakePlatform(cap=5, run_seconds=0.1) as fake:
        add(sqlite, 150)
        with working(sqlite, configured(gumloop(fake))):
            until(lambda: finished(sqlite) == 150, 600, "the ends of all runs")
    assert len(fake.starts) == len(fake.accepted) == 150
    assert fake.peak <= 5
    assert column(sqlite, DELIVERY.run_state) == {"done"}
    assert (column(sqlite, DELIVERY.attempts), column(sqlite, DELIVERY.throttled)) == ({1}, {0})
    assert (fake.looks + fake.lists) / 150 <= 4


@contextmanager
def changing_others(fake: FakePlatform, most: int) -> Iterator[None]:
    """Others take up to `most` of the slots, now more, now fewer."""
    over = threading.Event()
    random = Random(7)

    def change() -> None:
        while not over.wait(0.075):
            fake.others = random.randint(0, most)

    thread = threading.Thread(target=change)
    fake.others = most
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.usefixtures("quarter")
def test_a_burst_beside_others_who_come_and_go_is_all_started_with_few_refusals(
    database: Database,
) -> None:
    with FakePlatform(cap=6, run_seconds=0.05) as fake, changing_others(fake, 4):
        add(database, 80)
        with working(database, configured(gumloop(fake, max_concurrent_runs=6))):
            until(lambda: finished(database) == 80, what="the ends of all runs")
    assert len(fake.accepted) == 80
    assert (column(database, DELIVERY.status), column(database, DELIVERY.attempts)) == (
        {"delivered"},
        {1},
    )
    # 25 as a rule; who learns nothing is refused hundreds of times
    assert sum(start.status == 429 for start in fake.starts) <= 80


def until_listed(sqlite: Database, fake: FakePlatform, lists: int) -> list[Delivery]:
    """Have runs until so many lists were asked for: one is where several are due at once, which
    they usually are.
    """
    found: list[Delivery] = []
    while not found or fake.lists < lists:
        assert len(found) < 200, "no list was asked for"
        found += wait(sqlite, add(sqlite, 12), ended)
    return found


@pytest.mark.usefixtures("quarter")
@pytest.mark.parametrize(
    "fields",
    [("run_id", "created_ts"), ("run_id", "state"), ("state",)],
    ids=["no states", "states only", "no ids"],
)
def test_only_a_state_that_a_list_tells_is_trusted(
    sqlite: Database, fields: tuple[str, ...]
) -> None:
    with FakePlatform(run_seconds=0.1) as fake, working(sqlite, configured(gumloop(fake))):
        fake.list_fields = fields
        tells = {"run_id", "state"} <= set(fields)
        found = until_listed(sqlite, fake, 2 if tells else 1)
        asked = fake.lists
        found += wait(sqlite, add(sqlite, 12), ended)
        assert all(one.outputs == {"title": "Found a bug"} for one in found)
        assert fake.looks >= len(found)
        assert tells or fake.lists == asked, "a list that told nothing is not asked again"


@pytest.mark.usefixtures("quarter")
def test_where_the_list_fails_each_run_is_asked_about(sqlite: Database) -> None:
    with FakePlatform(run_seconds=0.075) as fake, working(sqlite, configured(gumloop(fake))):
        fake.list_faults = [500] * 99
        found = until_listed(sqlite, fake, 1)
        asked = fake.lists
        found += wait(sqlite, add(sqlite, 12), ended)
        assert (fake.lists, len(fake.accepted)) == (asked, len(found))


@pytest.mark.usefixtures("quarter")
def test_a_list_that_lags_delays_an_end_and_hides_none(sqlite: Database) -> None:
    with FakePlatform(run_seconds=0.025) as fake, working(sqlite, configured(gumloop(fake))):
        fake.listed_as = "RUNNING"
        wait(sqlite, add(sqlite, 5), ended)
        assert column(sqlite, DELIVERY.polls) <= set(range(run_tracker.SINGLE_POLL_EVERY + 1))


@pytest.mark.usefixtures("quarter")
def test_runs_of_steady_length_cost_few_looks_each(sqlite: Database) -> None:
    """One after the other, so that no list is asked."""
    with (
        FakePlatform(run_seconds=0.125) as fake,
        working(sqlite, configured(gumloop(fake, max_concurrent_runs=1))),
    ):
        wait(sqlite, add(sqlite, 8), ended)
    assert fake.lists == 0
    assert fake.looks <= 8 * 4


def test_a_run_that_goes_on_keeps_the_log_that_a_list_does_not_have(sqlite: Database) -> None:
    one = started(sqlite)
    following_one = sqlite.write(
        lambda c: run_tracking.claim_polls(c, platforms=["gumloop"], limit=1, now=NOW)
    )[0][0]
    for report in (
        RunReport(state=RunState.RUNNING, log=("Reading",)),
        RunReport(state=RunState.RUNNING),
    ):
        sqlite.write(
            lambda c, report=report: run_tracking.record_run(
                c, following_one, report, NOW, next_poll=1.0
            )
        )
    assert events.deliveries_of(sqlite, [following_one.event_id])[following_one.event_id][
        0
    ].log == ("Reading",)
    assert following_one.id == one


# -- which are taken together


def started(database: Database, poll_at: float = NOW, **changes: Any) -> str:
    """A delivery whose run is under way and looked at next at `poll_at`."""
    event = make_event(None)
    given: dict[str, Any] = {
        "platform": "gumloop",
        "saved_item_id": "q3da",
        "status": Status.DELIVERED,
        **changes,
    }
    one = make_delivery(event, **given)
    events.add(database, event, [one], lambda *_: [])
    values = {
        "poll_at": poll_at,
        "slot": True,
        "run_id": f"run of {one.id}",
        "run_state": "running",
        "delivered_at": NOW - 1,
    }
    database.write(
        lambda c: c.execute(schema.delivery.update().where(DELIVERY.id == one.id).values(values))
    )
    return one.id


def test_those_of_a_flow_that_are_nearly_due_come_along(database: Database) -> None:
    due = started(database)
    soon = started(database, NOW + 0.9)
    later = started(database, NOW + 1.1)
    other_flow = started(database, NOW + 0.5, saved_item_id="other")
    other_platform = started(database, NOW + 0.5, platform="another")
    taken = database.write(
        lambda c: run_tracking.claim_polls(
            c, platforms=["gumloop", "another"], limit=10, now=NOW, near=lambda *_: 1.0
        )
    )
    assert [one.id for one, _ in taken] == [due, soon]
    again = database.write(
        lambda c: run_tracking.claim_polls(
            c, platforms=["gumloop", "another"], limit=10, now=NOW + 1.2, near=None
        )
    )
    assert {one.id for one, _ in again} == {later, other_flow, other_platform}


def test_what_another_worker_looks_at_does_not_come_along(database: Database) -> None:
    """However long before its time a run may be looked at."""
    claim = lambda: database.write(  # noqa: E731
        lambda c: run_tracking.claim_polls(
            c, platforms=["gumloop"], limit=10, now=NOW, near=lambda *_: 60.0
        )
    )
    first = started(database)
    assert [one.id for one, _ in claim()] == [first]
    second = started(database)
    assert [one.id for one, _ in claim()] == [second]


def test_no_more_are_taken_than_asked_for(database: Database) -> None:
    for wait_ in (0.0, 0.0, 0.5, 0.5):
        started(database, NOW + wait_)

    def claim(most: int) -> int:
        asked: dict[str, Any] = {
            "platforms": ["gumloop"],
            "limit": most,
            "now": NOW,
            "near": lambda *_: 1.0,
        }
        return len(database.write(lambda c: run_tracking.claim_polls(c, **asked)))

    assert [claim(3), claim(0), claim(3)] == [3, 0, 0]


def test_the_next_look_is_the_next_that_is_not_due_yet(database: Database) -> None:
    ask = lambda: database.write(lambda c: run_tracking.next_due(c, NOW))  # noqa: E731
    assert ask() is None
    started(database, NOW - 1)
    assert ask() is None
    started(database, NOW + 7)
    started(database, NOW + 3)
    assert ask() == NOW + 3


# -- who waits


def queued(database: Database, route: str = "triage", **changes: Any) -> str:
    event = make_event(None)
    one = make_delivery(event, route, **{"platform": "gumloop", **changes})
    events.add(database, event, [one], lambda *_: [])
    return one.id


def test_somebody_waits_for_a_slot_where_a_delivery_is_due_that_is_not_paused(
    database: Database,
) -> None:
    def waits(paused: tuple[str, ...] = (), platform: str = "gumloop") -> bool:
        with database.read() as connection:
            return run_tracking.is_slot_wanted(connection, platform, paused, NOW)

    queued(database, "later", due_at=NOW + 1)
    queued(database, "elsewhere", platform="another")
    assert not waits()
    queued(database, "now")
    assert waits()
    assert not waits(("now",))
    queued(database, "zz")
    assert waits(("now",))
    assert waits(platform="another")
    assert not waits(platform="none")


@pytest.mark.parametrize(("until_", "holds"), [("run_end", True), ("delivered", False)])
def test_the_next_in_line_waits_for_the_end_of_a_run(
    database: Database, until_: str, holds: bool
) -> None:
    order = Order(key="a", until=until_)
    queued(database, order=order)
    with database.read() as connection:
        [head] = [
            one
            for [one] in events.deliveries_of(
                database, column(database, DELIVERY.event_id)
            ).values()
        ]
        assert not run_tracking.blocks_next(connection, head)
    queued(database, order=Order(key="b", until=until_))
    with database.read() as connection:
        assert not run_tracking.blocks_next(connection, head)
    queued(database, order=order)
    with database.read() as connection:
        assert run_tracking.blocks_next(connection, head) is holds


def looks_of(**platform: Any) -> run_tracker.RunTracker:
    """A worker's looks, none of which is made."""

    def never(*_: Any) -> Any:
        raise AssertionError("a call")

    config = configured(gumloop(url="http://127.0.0.1:1/api/v1", **platform))
    return run_tracker.RunTracker(
        lambda: config, never, never, ThreadPool("call", 0, never), never, lambda: NOW
    )  # type: ignore[arg-type]


def next_in(
    database: Database,
    looks: run_tracker.RunTracker,
    delivery_id: str,
    report: RunReport,
    now: float = NOW,
) -> float | None:
    """The seconds until a run is looked at again, null where it is over."""
    followed = get(database, delivery_id)
    database.write(lambda c: looks.record(c, [PollEnded(followed, 0, report)], now, TurnChanges()))
    with database.read() as connection:
        at = connection.execute(select(DELIVERY.poll_at).where(DELIVERY.id == delivery_id)).scalar()
    return None if at is None else at - now


GOES_ON = RunReport(state=RunState.RUNNING)
SILENT = RunReport(state=None, detail="HTTP 500")


def test_a_run_is_looked_at_sooner_where_somebody_waits_for_its_slot_or_behind_it(
    database: Database,
) -> None:
    """It has gone on for a second, and nothing is known of its flow."""
    looks = looks_of()
    alone, head = (started(database), started(database, order=Order(key="a"), route="lined"))
    assert [next_in(database, looks, one, GOES_ON) for one in (alone, head)] == [1.0, 1.0]
    database.write(
        lambda c: c.execute(
            schema.delivery.update().where(DELIVERY.id == head).values(holds_key=True)
        )
    )
    queued(database, "lined", order=Order(key="a"))
    assert [next_in(database, looks, one, GOES_ON) for one in (alone, head)] == [1.0, 0.5]
    queued(database)
    assert [next_in(database, looks, one, GOES_ON) for one in (alone, head)] == [0.5, 0.5]


def test_a_platform_that_lacks_a_value_is_not_asked_about_its_runs(database: Database) -> None:
    started(database)
    for looks, count in (
        (looks_of(missing="environment variable KEY is not set"), 0),
        (looks_of(), 1),
    ):
        taken = TurnChanges()
        database.write(lambda c, looks=looks, taken=taken: looks.take(c, 5, NOW, taken))
        assert len(taken.polls) == count


def test_looks_that_learn_nothing_grow_apart_and_one_that_does_ends_that(sqlite: Database) -> None:
    looks = looks_of()
    one = started(sqlite)
    assert [next_in(sqlite, looks, one, SILENT) for _ in range(4)] == [1.0, 2.0, 4.0, 8.0]
    assert [next_in(sqlite, looks, one, report) for report in (GOES_ON, SILENT)] == [1.0, 1.0]


def test_failed_searches_for_runs_that_another_worker_settles_are_forgotten(
    sqlite: Database,
) -> None:
    """Another worker takes their next look, and learns that they ended."""
    looks = looks_of()
    one = started(sqlite)
    most = run_tracker.MAX_FAILED_RUNS
    gone = make_delivery(make_event(), platform=get(sqlite, one).platform)
    polls = [PollEnded(replace(gone, id=f"dlv_{n}"), 0, SILENT) for n in range(most + 1)]
    sqlite.write(lambda c: looks.record(c, polls, NOW, TurnChanges()))
    assert next_in(sqlite, looks, one, SILENT) == 1.0
    assert len(looks._failed) == most
    assert next_in(sqlite, looks, one, SILENT) == 2.0, "the newest are known"


def test_what_the_runs_of_a_flow_take_is_learned_from_what_the_platform_says(
    sqlite: Database,
) -> None:
    looks = looks_of()
    ids = [started(sqlite) for _ in range(3)]
    assert looks.first_poll_delay(get(sqlite, ids[0])) == 0.5
    done = RunReport(state=RunState.DONE, created_at=NOW - 50, finished_at=NOW)
    looks.begin(TurnChanges(over=[(get(sqlite, ids[0]), done)]), {})
    assert looks.first_poll_delay(get(sqlite, ids[0])) == 30.0  # never later, and then at 42.5
    assert next_in(sqlite, looks, ids[1], GOES_ON, NOW + 29) == pytest.approx(12.5)
    terminated = RunReport(state=RunState.TERMINATED, created_at=NOW - 1, finished_at=NOW)
    looks.begin(TurnChanges(over=[(get(sqlite, ids[2]), terminated)]), {})
    assert looks.first_poll_delay(get(sqlite, ids[0])) == 30.0


def test_a_platform_without_runs_has_no_looks() -> None:
    hook = Platform(name="mine", type="http", base_url="http://127.0.0.1:1/")
    looks = run_tracker.RunTracker(lambda: configured(hook), *[None] * 5)  # type: ignore[arg-type]
    assert looks.first_poll_delay(make_delivery(make_event(), platform="mine")) is None
    assert looks.first_poll_delay(make_delivery(make_event(), platform="gone")) is None
