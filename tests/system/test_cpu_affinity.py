"""The switch interval of the threads of a receiver."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from bridge.system import cpu_affinity
from bridge.system.cpu_affinity import READING_SWITCH_SECONDS, switch_often


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(cpu_affinity.SWITCH_INTERVAL_SECONDS)
    yield
    sys.setswitchinterval(before)


def is_short() -> bool:
    return sys.getswitchinterval() == pytest.approx(READING_SWITCH_SECONDS)


def is_usual() -> bool:
    return sys.getswitchinterval() == pytest.approx(cpu_affinity.SWITCH_INTERVAL_SECONDS)


def test_the_interval_is_short_only_within_the_block() -> None:
    with switch_often():
        assert is_short()
        with switch_often():
            assert is_short()
        assert is_short(), "another thread still computes"
    assert is_usual()


def test_an_error_restores_the_interval() -> None:
    with pytest.raises(ZeroDivisionError), switch_often():
        raise ZeroDivisionError
    assert is_usual()


def test_the_last_of_many_threads_restores_the_interval() -> None:
    count = 8
    all_inside = Barrier(count)

    def work(_: int) -> bool:
        with switch_often():
            all_inside.wait(60)
            return is_short()

    with ThreadPoolExecutor(count) as pool:
        assert all(pool.map(work, range(count)))
    assert is_usual()
