"""How many connections a process accepts, and what it says of those that it cannot serve."""

from __future__ import annotations

import asyncio
import resource
from typing import NoReturn

import pytest

from bridge.web.server.event_loop import worker
from bridge.web.server.event_loop.worker import SPARE_DESCRIPTORS, LoopReceiver

EVER = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("limits", "set_to", "most"),
    [
        ((1024, 524288), 8192 + SPARE_DESCRIPTORS, 8192),
        ((1024, EVER), 8192 + SPARE_DESCRIPTORS, 8192),
        ((1024, 4096), 4096, 4096 - SPARE_DESCRIPTORS),
        ((1024, 1024), None, 1024 - SPARE_DESCRIPTORS),
        ((256, 256), None, 128),
        ((EVER, EVER), None, 8192),
        ((65536, 65536), None, 8192),
    ],
)
def test_the_limit_of_descriptors_is_raised_as_far_as_it_may(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], set_to: int | None, most: int
) -> None:
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(worker.resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(worker.resource, "setrlimit", lambda _, pair: given.append(pair))
    assert worker._allow_connections(8192) == most
    assert given == ([] if set_to is None else [(set_to, limits[1])])


@pytest.mark.parametrize(
    ("error", "logged"), [(RuntimeError("a bug"), True), (ConnectionResetError("gone"), False)]
)
def test_a_bug_in_accepting_is_logged_and_a_client_that_is_gone_is_not(
    caplog: pytest.LogCaptureFixture, error: Exception, logged: bool
) -> None:
    async def fail() -> NoReturn:
        raise error

    async def accept() -> None:
        receiver = LoopReceiver.__new__(LoopReceiver)
        receiver._accepting = 1
        task = asyncio.get_running_loop().create_task(fail())
        await asyncio.wait([task])
        receiver._end_accepting(task)
        assert receiver._accepting == 0

    asyncio.run(accept())
    assert ("internal_error" in caplog.text) is logged
