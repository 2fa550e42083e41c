"""Large bodies that are not proven: two at a time, and the others wait for their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from types import SimpleNamespace
from typing import Any

import pytest

from bridge.core.errors import Refused
from bridge.web.server.event_loop.commit_gatherer import CommitGatherer
from bridge.web.server.event_loop.hook_calls import (
    LARGE_BODY_BYTES,
    MAX_UNPROVEN,
    MAX_WAITING,
    HookCalls,
)

LARGE = b" " * (LARGE_BODY_BYTES + 1)


class HeldExecutor(Executor):
    """Holds its tasks until the test runs them."""

    def __init__(self) -> None:
        self.tasks: list[Callable[[], None]] = []

    def submit(self, work: Any, /, *args: Any, **_: Any) -> Future[Any]:  # type: ignore[override]  # the test's tasks have no keywords
        future: Future[Any] = Future()
        self.tasks.append(lambda: future.set_result(work(*args)))
        return future


class Request:
    """A request that is verified in its thread, and is stored by `store`."""

    def __init__(self, *, is_signed: bool = True, store: Callable[[], None] = int) -> None:
        self.source = SimpleNamespace(provider=SimpleNamespace(learn=None))
        self.answers = None
        self.effects: Any = SimpleNamespace(mark_verified=lambda: None)
        self._is_signed = is_signed
        self._store = store

    def receive(self, _body: bytes, effects: Any) -> str:
        if self._is_signed:
            effects.mark_verified()
        self._store()
        return "accepted"

    def answer(self, receive: Callable[[], str]) -> str:
        return receive()

    def refuse(self, error: Exception) -> Exception:
        return error


class Receiver:
    """The calls of a receiver, whose threads the test runs."""

    def __init__(self, wait_seconds: float) -> None:
        self.executor = HeldExecutor()
        self.answers: list[Any] = []
        loop = asyncio.get_running_loop()
        gatherer = CommitGatherer(loop, None, self.executor)  # type: ignore[arg-type]  # it stores nothing
        self._calls = HookCalls(loop, gatherer, self.executor, wait_seconds)

    def send(self, request: Request, body: bytes = LARGE) -> None:
        self._calls.answer(request, body, self.answers.append)  # type: ignore[arg-type]  # a stand-in


def run(test: Callable[[Receiver], Coroutine[Any, Any, None]], wait_seconds: float = 60.0) -> None:
    async def whole() -> None:
        await test(Receiver(wait_seconds))

    asyncio.run(whole())


async def turns() -> None:
    """Let the loop do what it was told so far."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("is_signed", [True, False])
def test_others_wait_until_one_of_two_has_ended(is_signed: bool) -> None:
    async def test(receiver: Receiver) -> None:
        for _ in range(MAX_UNPROVEN + 2):
            receiver.send(Request(is_signed=is_signed))
        assert len(receiver.executor.tasks) == MAX_UNPROVEN
        receiver.executor.tasks[0]()
        await turns()
        assert len(receiver.executor.tasks) == MAX_UNPROVEN + 1
        for task in (1, 2, 3):
            receiver.executor.tasks[task]()
            await turns()
        assert receiver.answers == ["accepted"] * (MAX_UNPROVEN + 2)

    run(test)


def test_a_proven_body_does_not_hold_its_turn_while_it_is_stored() -> None:
    async def test(receiver: Receiver) -> None:
        loop = asyncio.get_running_loop()
        begun: list[int] = []

        def store() -> None:
            """Wait in a thread until the next body has begun."""
            began = asyncio.run_coroutine_threadsafe(until_next(), loop)
            began.result(60)

        async def until_next() -> None:
            while len(receiver.executor.tasks) <= MAX_UNPROVEN:
                await asyncio.sleep(0)
            begun.append(len(receiver.executor.tasks))

        receiver.send(Request(store=store))
        for _ in range(MAX_UNPROVEN):
            receiver.send(Request())
        await asyncio.to_thread(receiver.executor.tasks[0])
        assert begun == [MAX_UNPROVEN + 1]

    run(test)


def test_a_body_whose_turn_does_not_come_is_refused() -> None:
    async def test(receiver: Receiver) -> None:
        for _ in range(MAX_UNPROVEN + 1):
            receiver.send(Request())
        while not receiver.answers:
            await asyncio.sleep(0)
        (refused,) = receiver.answers
        assert isinstance(refused, Refused)
        assert (refused.status, refused.headers) == (503, {"Retry-After": "5"})
        for task in list(receiver.executor.tasks):
            task()
        await turns()
        assert len(receiver.executor.tasks) == MAX_UNPROVEN, "the refused one never begins"
        receiver.send(Request())
        assert len(receiver.executor.tasks) == MAX_UNPROVEN + 1, "its place is free"

    run(test, wait_seconds=0.0)


def test_so_many_wait_at_most() -> None:
    async def test(receiver: Receiver) -> None:
        for _ in range(MAX_UNPROVEN + MAX_WAITING):
            receiver.send(Request())
        assert receiver.answers == []
        receiver.send(Request())
        assert [error.status for error in receiver.answers] == [503]

    run(test)


def test_smaller_bodies_do_not_wait_for_large_ones() -> None:
    async def test(receiver: Receiver) -> None:
        for _ in range(MAX_UNPROVEN + 1):
            receiver.send(Request())
        receiver.send(Request(), LARGE[:-1])
        assert len(receiver.executor.tasks) == MAX_UNPROVEN + 1

    run(test)
