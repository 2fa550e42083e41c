"""Requests that arrive together: prepared a few at a time, and stored in one commit."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from bridge.core.errors import Refused, StoreError
from bridge.ingest.effects import OfflineEffects
from bridge.ingest.ports import EventsStored
from bridge.ingest.receive import Received, build_answer
from bridge.providers.model import Reply
from bridge.system.cpu_affinity import READING_SWITCH_SECONDS
from bridge.web.receiving.hook_answers import WebhookAnswers
from bridge.web.receiving.hook_receiver import PreparedHook, ReceivedHook
from bridge.web.server.event_loop import hook_calls
from bridge.web.server.event_loop.commit_gatherer import CommitGatherer
from bridge.web.server.event_loop.hook_calls import REQUESTS_PER_TURN, HookCalls

WEBHOOK = SimpleNamespace(provider=SimpleNamespace(learn=None, ack=Reply(200, body=b"ok")))


class Request:
    """A request that records when it is prepared."""

    def __init__(self, number: int, log: list[object]) -> None:
        self.source = WEBHOOK
        self.answers = WebhookAnswers(WEBHOOK)  # type: ignore[arg-type]  # a stand-in
        self.effects = OfflineEffects(new_id=str)
        self._number = number
        self._log = log

    def prepare(self, body: bytes, _effects: object) -> Any:
        self._log.append(self._number)
        if body == b"bug":
            return Accepted(request=self, received=Received(Reply(200)))  # type: ignore[arg-type]  # a stand-in
        if body == b"bad":
            raise Refused(400, "bad", "bad")
        events: Any = SimpleNamespace(
            source=WEBHOOK, arrivals=[(self._number, ())], fault=None, body=None, place=None
        )
        return Prepared(request=self, events=events)  # type: ignore[arg-type]  # a stand-in

    def wake_workers(self) -> None:
        self._log.append("workers are woken")

    def refuse(self, _error: Exception) -> Any:
        return "refused"


class Accepted(ReceivedHook):
    """A request that is accepted, and that has a delivery if it has an event."""

    def answer(self, call_later: Any = None) -> Any:
        if not self.received.stored:
            return "a bug"
        call_later(self.request.wake_workers)  # type: ignore[attr-defined]  # of a stand-in
        return "accepted"


class Prepared(PreparedHook):
    """A request whose events can be stored."""

    def complete(self, stored: Any) -> Accepted:
        return Accepted(request=self.request, received=build_answer(self.events, stored))


def answer_all(bodies: Sequence[bytes]) -> tuple[list[object], list[Any]]:
    """Let these requests arrive in one turn of the loop. Return what happened, and the answers."""
    log: list[object] = []
    answers: list[Any] = []

    def answered(answer: Any) -> None:
        if answer == "a bug":
            raise ValueError("it cannot be written")
        answers.append(answer)
        log.append(answer)

    def store(requests: Sequence[Any], *, waits: bool) -> list[Any]:
        del waits
        log.append([request.arrivals[0][0] for request in requests])
        event: Any = SimpleNamespace(event_id="evt", deliveries=(), duplicate=False)
        return [EventsStored([event]) for _ in requests]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as executor:
            calls = HookCalls(loop, CommitGatherer(loop, store, executor), executor, 60.0)
            for number, body in enumerate(bodies):
                calls.answer(Request(number, log), body, answered)  # type: ignore[arg-type]  # a stand-in
            while len(answers) < len(bodies):
                await asyncio.sleep(0)
                log.append("others")
            await asyncio.sleep(0)

    asyncio.run(run())
    return log, answers


def test_the_loop_serves_others_between_requests_that_share_a_commit() -> None:
    numbers = list(range(2 * REQUESTS_PER_TURN))
    log, answers = answer_all([b"{}" for _ in numbers])
    assert answers == ["accepted" for _ in numbers]
    first, second = numbers[:REQUESTS_PER_TURN], numbers[REQUESTS_PER_TURN:]
    commit = log.index(numbers)
    assert log[:commit] == [*first, "others", *second]


def test_requests_that_keep_arriving_do_not_put_off_the_commit() -> None:
    numbers = list(range(2 * hook_calls.MAX_GATHERED))
    log, answers = answer_all([b"{}" for _ in numbers])
    assert answers == ["accepted" for _ in numbers]
    batches = [each for each in log if isinstance(each, list)]
    assert max(map(len, batches)) <= hook_calls.MAX_GATHERED
    assert log.index(batches[0]) < log.index(numbers[-1])


def test_workers_are_woken_once_all_that_share_a_commit_are_answered() -> None:
    log, _ = answer_all([b"{}", b"{}"])
    after = [each for each in log[log.index([0, 1]) + 1 :] if each != "others"]
    assert after == ["accepted", "accepted", "workers are woken", "workers are woken"]


class NoThreads(Executor):
    """The machine starts no thread."""

    def submit(self, *_: Any, **__: Any) -> NoReturn:  # type: ignore[override]  # it returns nothing
        raise RuntimeError("can't start new thread")


def test_a_request_for_which_no_thread_starts_is_refused_as_not_stored() -> None:
    errors: list[Exception] = []
    answers: list[Any] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        calls = HookCalls(loop, CommitGatherer(loop, None, NoThreads()), NoThreads(), 60.0)  # type: ignore[arg-type]  # it stores nothing
        request: Any = Request(1, [])
        request.refuse = lambda error: errors.append(error) or "refused"
        calls.answer(request, b" " * (hook_calls.MAX_LOOP_BODY_BYTES + 1), answers.append)

    asyncio.run(run())
    assert answers == ["refused"]
    assert [type(one) for one in errors] == [StoreError]


def test_a_thread_that_computes_lets_the_loop_have_the_interpreter_soon() -> None:
    before = sys.getswitchinterval()
    intervals: list[float] = []
    answers: list[Any] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as executor:
            calls = HookCalls(loop, CommitGatherer(loop, None, executor), executor, 60.0)  # type: ignore[arg-type]  # it stores nothing
            request: Any = Request(1, [])
            request.receive = request.prepare
            request.answer = lambda _: intervals.append(sys.getswitchinterval())
            calls.answer(request, b" " * (hook_calls.MAX_LOOP_BODY_BYTES + 1), answers.append)
            while not answers:
                await asyncio.sleep(0)

    asyncio.run(run())
    assert intervals == [pytest.approx(READING_SWITCH_SECONDS)]
    assert sys.getswitchinterval() == before


def test_a_refused_request_and_a_bug_stop_no_other_request() -> None:
    log, answers = answer_all([b"bad", b"bug", b"{}"])
    assert answers == ["refused", None, "accepted"]
    assert [2] in log
