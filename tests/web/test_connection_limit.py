"""How many connections the descriptors of a process allow."""

from __future__ import annotations

import resource

import pytest

from bridge.web.server.event_loop import worker
from bridge.web.server.event_loop.worker import SPARE_DESCRIPTORS

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
