"""Low priority, as Linux itself reports it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

import pytest
from scheduling import Scheduling, lowered, needs_slices, read_scheduling

from bridge.system.priority import SLICE_NANOSECONDS, lower_priority

pytestmark = pytest.mark.usefixtures("new_processes")
Found = TypeVar("Found")


def in_process(work: Callable[[], Found]) -> Found:
    """Do this in a process of its own, whose scheduling no other test shares."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work).result(60)


def lower() -> tuple[Scheduling, Scheduling]:
    os.nice(3)
    before = read_scheduling()
    lower_priority(4)
    return before, read_scheduling()


def test_niceness_and_slice_change() -> None:
    needs_slices()
    before, after = in_process(lower)
    assert before.slice_nanoseconds < SLICE_NANOSECONDS
    assert after == before._replace(
        nice=lowered(before.nice, 4), slice_nanoseconds=SLICE_NANOSECONDS
    )


def lower_then_start_thread() -> int:
    lower_priority(1)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(read_scheduling().slice_nanoseconds))
    thread.start()
    thread.join()
    return found[0]


def test_later_threads_have_it_too() -> None:
    needs_slices()
    assert in_process(lower_then_start_thread) == SLICE_NANOSECONDS


def lower_as_batch() -> tuple[Scheduling, Scheduling]:
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    before = read_scheduling()
    lower_priority(4)
    return before, read_scheduling()


def test_a_policy_that_someone_has_chosen_stays() -> None:
    needs_slices()
    before, after = in_process(lower_as_batch)
    assert after == before._replace(nice=lowered(before.nice, 4))
    assert after.policy == os.SCHED_BATCH
