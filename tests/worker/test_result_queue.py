"""The queue of results: when it wakes the worker, and how long it gathers."""

from __future__ import annotations

from processes import PATIENCE

from bridge.system.wakeup import Wake
from bridge.worker.cycle import ResultQueue
from bridge.worker.results import RunLost


class BusyWake(Wake):
    """While the worker waits, a result comes, as from another thread."""

    def __init__(self) -> None:
        super().__init__()
        self.results = ResultQueue(self)
        self.notified: list[int] = []  # the waits before each wake-up
        self.waits = 0

    def notify(self) -> None:
        self.notified.append(self.waits)

    def wait(self, seconds: float) -> bool:
        self.waits += 1
        self.results.put(RunLost(f"run-{self.waits}"))
        return True


def test_a_result_wakes_the_worker() -> None:
    wake = Wake()
    results = ResultQueue(wake)
    assert results.is_empty and not wake.wait(0.0)
    results.put(RunLost("run-1"))
    assert not results.is_empty and wake.wait(0.0)
    assert list(results.take_all()) == [RunLost("run-1")] and results.is_empty


def test_results_that_come_while_others_are_taken_are_taken_too() -> None:
    results = ResultQueue(Wake())
    results.put(RunLost("run-1"))
    taken = []
    for result in results.take_all():
        taken.append(result)
        if len(taken) < 3:
            results.put(RunLost(f"run-{len(taken) + 1}"))
    assert taken == [RunLost("run-1"), RunLost("run-2"), RunLost("run-3")]


def test_only_enough_results_end_the_wait_for_them() -> None:
    wake = BusyWake()
    wake.results.gather(3, PATIENCE)
    assert wake.waits == 3 and wake.notified == [3]


def test_after_a_wait_in_vain_each_result_wakes_the_worker_again() -> None:
    wake = BusyWake()
    wake.results.gather(2, 0.0)
    assert wake.waits == 0
    wake.results.put(RunLost("run-0"))
    assert wake.notified == [0]
