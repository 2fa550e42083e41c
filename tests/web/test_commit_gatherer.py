"""Requests are stored together, on the loop or, after a slow commit, in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, NoReturn, cast

import pytest

from bridge.core.errors import CommitBusy, CommitWaits
from bridge.web.server.event_loop import commit_gatherer
from bridge.web.server.event_loop.commit_gatherer import (
    MAX_AWAITED,
    MIN_AWAITED,
    PATIENCE_SECONDS,
    CommitGatherer,
    ObserveCommit,
)


class Store:
    """Records what is stored together, and in which thread."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.threads: list[threading.Thread] = []

    def each(self, requests: Sequence[Any], *, waits: bool) -> list[Any]:
        del waits
        self.batches.append(list(requests))
        self.threads.append(threading.current_thread())
        return [ValueError(one) if one == "bad" else [one] for one in requests]


def run(
    store_each: Callable[..., Any],
    *groups: list[Any],
    observe: ObserveCommit | None = None,
    waits_for_server: bool = False,
) -> list[tuple[Any, Any]]:
    """Return the results of groups of requests, each stored after the last ended."""
    results: list[tuple[Any, Any]] = []

    async def add_all() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as executor:
            gatherer = CommitGatherer(
                loop, store_each, executor, observe, waits_for_server=waits_for_server
            )
            for group in groups:
                ended = asyncio.Event()
                count = len(results) + len(group)

                def done(
                    one: Any, result: Any, ended: asyncio.Event = ended, count: int = count
                ) -> None:
                    results.append((one, result))
                    if len(results) == count:
                        ended.set()

                gatherer.store([(one, partial(done, one)) for one in group])
                await ended.wait()

    asyncio.run(add_all())
    return results


@pytest.fixture
def _timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No commit is slow, whatever else the machine does."""
    monkeypatch.setattr(commit_gatherer, "monotonic", lambda: 0.0)


@pytest.mark.usefixtures("_timeless")
def test_requests_that_come_together_share_a_commit_on_the_loop() -> None:
    store = Store()
    assert run(store.each, [1, 2, 3], [4]) == [(1, [1]), (2, [2]), (3, [3]), (4, [4])]
    assert store.batches == [[1, 2, 3], [4]]
    assert set(store.threads) == {threading.current_thread()}


def test_each_request_gets_its_own_error() -> None:
    results = run(Store().each, [1, "bad", 2])
    assert [isinstance(result, ValueError) for _, result in results] == [False, True, False]


def test_an_error_of_the_whole_commit_is_that_of_each() -> None:
    def broken(_: Sequence[Any], *, waits: bool) -> Any:
        raise OSError("no disk")

    assert [str(result.error) for _, result in run(broken, [1, 2])] == ["no disk", "no disk"]


def test_an_answer_that_fails_stops_no_other() -> None:
    answered: list[Any] = []

    def fail(_result: Any) -> NoReturn:
        raise OSError("the client is gone")

    async def add_all() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as executor:
            gatherer = CommitGatherer(loop, Store().each, executor)
            gatherer.store([(1, fail), (2, answered.append)])  # type: ignore[list-item]  # stand-ins

    asyncio.run(add_all())
    assert answered == [[2]]


def test_a_commit_for_which_no_thread_starts_runs_on_the_loop() -> None:
    """Those after it would wait for it for ever."""

    class NoThreads(ThreadPoolExecutor):
        def submit(self, *_: Any, **__: Any) -> NoReturn:
            raise RuntimeError("can't start new thread")

    store = Store()
    done: list[Any] = []

    async def add_all() -> None:
        loop = asyncio.get_running_loop()
        gatherer = CommitGatherer(loop, store.each, NoThreads(1), waits_for_server=True)
        for number in (1, 2):
            gatherer.store([(number, done.append)])  # type: ignore[list-item]  # a stand-in

    asyncio.run(add_all())
    assert done == [[1], [2]]
    assert set(store.threads) == {threading.current_thread()}


def test_after_a_slow_commit_the_next_leaves_the_loop_until_one_is_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([0.0, 1.0, 1.0, 1.01, 2.0, 2.01])  # a slow one, and two fast ones
    monkeypatch.setattr(commit_gatherer, "monotonic", lambda: next(times))
    store = Store()
    run(store.each, [1], [2], [3])
    ours = threading.current_thread()
    assert [thread is ours for thread in store.threads] == [True, False, True]


def test_commits_that_wait_for_a_server_are_never_on_the_loop() -> None:
    store = Store()
    assert run(store.each, [1, 2], [3], waits_for_server=True) == [(1, [1]), (2, [2]), (3, [3])]
    assert store.batches == [[1, 2], [3]]
    assert threading.current_thread() not in store.threads


def test_what_arrives_during_a_commit_in_a_thread_is_the_next_one() -> None:
    store = Store()
    go = threading.Event()

    def wait(requests: Sequence[Any], *, waits: bool) -> list[Any]:
        assert go.wait(60)
        return store.each(requests, waits=waits)

    async def add_all() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        with ThreadPoolExecutor(1) as executor:
            gatherer = CommitGatherer(loop, wait, executor, waits_for_server=True)
            gatherer.store([(cast("Any", 1), lambda _: None)])
            gatherer.store([(cast("Any", 2), lambda _: None)])
            await asyncio.sleep(0)
            gatherer.store([(cast("Any", 3), lambda _: ended.set())])
            go.set()
            await ended.wait()

    asyncio.run(add_all())
    assert store.batches == [[1], [2, 3]]


def store_with_pauses(pause_seconds: float, count: int, *groups: list[Any]) -> list[list[Any]]:
    """Store groups of requests, a turn of the loop apart, until `count` are stored.

    Return which requests shared a commit.
    """
    store = Store()
    stored: list[Any] = []

    async def add_all() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as executor:
            gatherer = CommitGatherer(loop, store.each, executor, pause_seconds=pause_seconds)
            for group in groups:
                gatherer.store([(one, stored.append) for one in group])
                await asyncio.sleep(0)
            while len(stored) < count:
                await asyncio.sleep(0)

    asyncio.run(add_all())
    return store.batches


def test_while_many_arrive_at_once_a_commit_waits_for_as_many() -> None:
    batches = store_with_pauses(3600.0, 8, ["a", "b", "c", "d"], [1, 2, 3], [4])
    assert batches == [["a", "b", "c", "d"], [1, 2, 3, 4]]


def test_a_commit_waits_for_no_more_requests_than_the_most() -> None:
    many = list(range(2 * MAX_AWAITED))
    batches = store_with_pauses(3600.0, len(many) + MAX_AWAITED, many, many[:MAX_AWAITED])
    assert batches == [many, many[:MAX_AWAITED]]


def test_a_commit_waits_no_longer_than_the_pause() -> None:
    many = list(range(MAX_AWAITED))
    assert store_with_pauses(0.001, len(many) + 1, many, [1]) == [many, [1]]


def test_while_few_arrive_at_once_a_commit_waits_for_no_others() -> None:
    few = list(range(MIN_AWAITED - 1))
    batches = store_with_pauses(3600.0, len(few) + 2, few, [1], [2])
    assert batches == [few, [1], [2]]


def test_each_commit_is_observed_where_it_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.06, 1.0, 1.01])
    monkeypatch.setattr(commit_gatherer, "monotonic", lambda: next(clock))
    observed: list[tuple[float, bool]] = []

    def observe(seconds: float, *, on_loop: bool) -> None:
        observed.append((seconds, on_loop))

    run(Store().each, [1], [2], observe=observe)
    assert observed == [(0.06, True), (pytest.approx(0.01), False)]


@pytest.mark.usefixtures("_timeless")
def test_a_commit_that_would_wait_is_tried_again_with_what_has_arrived_since() -> None:
    store = Store()
    ours = threading.current_thread()
    asked: list[list[Any]] = []

    def each(requests: Sequence[Any], *, waits: bool) -> list[Any]:
        asked.append(list(requests))
        if len(asked) < 3:
            raise CommitBusy
        return store.each(requests, waits=waits)

    async def test() -> None:
        done = asyncio.Queue[Any]()
        with ThreadPoolExecutor(1) as executor:
            gatherer = CommitGatherer(asyncio.get_running_loop(), each, executor)
            for one in (1, 2):
                gatherer.store([(cast("Any", one), done.put_nowait)])
            assert [await done.get(), await done.get()] == [[1], [2]]

    asyncio.run(test())
    assert asked == [[1], [1, 2], [1, 2]]
    assert store.threads == [ours]


def test_a_commit_that_would_wait_for_long_leaves_the_loop_and_the_next_one_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = count(0.0, PATIENCE_SECONDS)  # read twice by each try
    monkeypatch.setattr(commit_gatherer, "monotonic", lambda: next(clock))
    store = Store()
    ours = threading.current_thread()
    asked: list[bool] = []

    def each(requests: Sequence[Any], *, waits: bool) -> list[Any]:
        asked.append(waits)
        if requests == [1] and not waits:
            raise CommitBusy
        return store.each(requests, waits=waits)

    assert run(each, [1], [2]) == [(1, [1]), (2, [2])]
    assert asked == [False, False, True, False]
    assert [thread is ours for thread in store.threads] == [False, True]


def test_a_commit_that_waits_for_more_than_another_one_leaves_the_loop_at_once() -> None:
    store = Store()
    asked: list[bool] = []

    def each(requests: Sequence[Any], *, waits: bool) -> list[Any]:
        asked.append(waits)
        if not waits:
            raise CommitWaits
        return store.each(requests, waits=waits)

    assert run(each, [1]) == [(1, [1])]
    assert asked == [False, True]


def test_while_a_commit_waits_the_loop_serves_others_and_gathers_the_next() -> None:
    released = threading.Event()
    batches: list[list[Any]] = []
    served: list[str] = []

    def each(requests: Sequence[Any], *, waits: bool) -> list[Any]:
        if not waits:
            raise CommitBusy
        batches.append(list(requests))
        released.wait(60)
        return [[one] for one in requests]

    async def test() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        results: list[Any] = []

        def done(result: Any) -> None:
            results.append(result)
            if len(results) == 3:
                ended.set()

        with ThreadPoolExecutor(1) as executor:
            gatherer = CommitGatherer(loop, each, executor)
            gatherer.store([(cast("Any", 1), done)])
            while not batches:
                await asyncio.sleep(0)
            gatherer.store([(cast("Any", 2), done)])
            gatherer.store([(cast("Any", 3), done)])
            for _ in range(3):  # as many ticks as a request takes
                await asyncio.sleep(0)
                served.append("a health check")
            assert not results
            released.set()
            await ended.wait()

    asyncio.run(test())
    assert len(served) == 3
    assert batches == [[1], [2, 3]]


@dataclass(eq=False)
class Timer:
    """A timer that ends when the test says so."""

    timers: list[Timer]
    seconds: float
    callback: Callable[[], None]

    def cancel(self) -> None:
        self.timers.remove(self)

    def end(self) -> None:
        self.timers.remove(self)
        self.callback()


class HandLoop:
    """An event loop whose timers and commits in threads end when the test says so."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []
        self._commits: list[tuple[Future[Any], Callable[[], Any]]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(self.timers, seconds, callback)
        self.timers.append(timer)
        return timer

    def run_in_executor(self, _executor: Any, task: Callable[[], Any]) -> Future[Any]:
        self._commits.append((Future(), task))
        return self._commits[-1][0]

    def end_commit(self) -> None:
        ((future, task),) = self._commits  # one at a time
        self._commits = []
        future.set_result(task())


PAUSE_SECONDS = 3600.0
RETRY_SECONDS = 60.0


def gather(
    loop: HandLoop, store_each: Callable[..., Any], *, waits_for_server: bool = False
) -> Callable[[int], None]:
    """Return a function that passes so many requests to a gatherer."""
    gatherer = CommitGatherer(
        cast("Any", loop),
        store_each,
        cast("Any", None),
        waits_for_server=waits_for_server,
        retry_seconds=RETRY_SECONDS,
        pause_seconds=PAUSE_SECONDS,
    )
    return lambda number: gatherer.store([(cast("Any", "request"), lambda _: None)] * number)


@pytest.mark.parametrize(
    ("committed", "waiting", "pauses"),
    [
        (MIN_AWAITED, 0, [PAUSE_SECONDS]),
        (1, MIN_AWAITED - 1, [PAUSE_SECONDS]),
        (1, MAX_AWAITED, [0.0]),
        (1, MIN_AWAITED - 2, [0.0]),
        (MIN_AWAITED - 1, 0, []),
    ],
)
def test_what_arrived_during_a_commit_counts_for_the_pause_after_it(
    committed: int, waiting: int, pauses: list[float]
) -> None:
    loop = HandLoop()
    store = gather(loop, Store().each, waits_for_server=True)
    store(committed)
    store(waiting)
    loop.end_commit()
    assert [timer.seconds for timer in loop.timers] == pauses


def test_a_pause_that_enough_requests_have_ended_begins_no_second_commit() -> None:
    loop = HandLoop()
    store = gather(loop, Store().each, waits_for_server=True)
    store(MIN_AWAITED)
    loop.end_commit()
    store(MIN_AWAITED)
    assert loop.timers == []
    store(1)
    loop.end_commit()


@pytest.mark.usefixtures("_timeless")
def test_after_a_pause_without_requests_the_next_is_stored_at_once() -> None:
    loop = HandLoop()
    stored = Store()
    store = gather(loop, stored.each)
    store(MIN_AWAITED)
    loop.timers[0].end()
    store(1)
    assert [len(batch) for batch in stored.batches] == [MIN_AWAITED, 1]


@pytest.mark.usefixtures("_timeless")
def test_each_commit_of_few_requests_awaits_one_request_less() -> None:
    loop = HandLoop()
    stored = Store()
    store = gather(loop, stored.each)
    store(MAX_AWAITED)
    loop.timers[0].end()
    for number in (1, MAX_AWAITED - 2, 1):
        store(number)
    assert [len(batch) for batch in stored.batches] == [MAX_AWAITED, 1, MAX_AWAITED - 1]


def test_a_commit_that_finds_another_one_is_patient_again_after_each_success(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    is_busy = True
    monkeypatch.setattr(commit_gatherer, "monotonic", lambda: now)
    loop = HandLoop()
    stored = Store()

    def store_each(requests: Sequence[Any], *, waits: bool) -> list[Any]:
        if is_busy:
            raise CommitBusy
        return stored.each(requests, waits=waits)

    store = gather(loop, store_each)
    for seconds in (0.0, 2 * PATIENCE_SECONDS):
        now = seconds
        is_busy = True
        store(1)
        (timer,) = loop.timers
        assert timer.seconds == RETRY_SECONDS
        is_busy = False
        timer.end()
    assert len(stored.batches) == 2
