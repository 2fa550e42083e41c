"""The timer of a connection, on a loop whose clock the test sets."""

from __future__ import annotations

from collections.abc import Callable

from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.event_loop.connection import TimedConnection


class Timer:
    """A timer of the loop."""

    def __init__(self, due: float, act: Callable[[], None]) -> None:
        self.due = due
        self.act = act

    def when(self) -> float:
        return self.due

    def cancel(self) -> None:
        self.act = lambda: None


class Loop:
    """A loop with timers only."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, due: float, act: Callable[[], None]) -> Timer:
        self.timers.append(Timer(due, act))
        return self.timers[-1]

    def run_until(self, now: float) -> None:
        self.now = now
        due = [timer for timer in self.timers if timer.due <= now]
        self.timers = [timer for timer in self.timers if timer.due > now]
        for timer in due:
            timer.act()


class Connection(TimedConnection):
    """A connection that records what its timer did."""

    def __init__(self, loop: Loop) -> None:
        super().__init__(loop, AnswerLimits())  # type: ignore[arg-type]  # a stand-in
        self.fired: list[str] = []

    def arm(self, seconds: float, name: str) -> None:
        self._arm(seconds, lambda: self.fired.append(name))

    def disarm(self) -> None:
        self._disarm()


def test_a_later_deadline_counts_without_another_timer() -> None:
    loop = Loop()
    connection = Connection(loop)
    connection.arm(5, "first")
    connection.arm(75, "second")
    assert [timer.due for timer in loop.timers] == [105.0]  # it is not set again for each request
    loop.run_until(105.0)
    assert connection.fired == []
    loop.run_until(174.9)
    assert connection.fired == []
    loop.run_until(175.0)
    assert connection.fired == ["second"]
    loop.run_until(1000.0)
    assert connection.fired == ["second"]


def test_a_nearer_deadline_is_kept() -> None:
    loop = Loop()
    connection = Connection(loop)
    connection.arm(75, "later")
    connection.arm(1, "soon")
    loop.run_until(101.0)
    assert connection.fired == ["soon"]
    loop.run_until(1000.0)
    assert connection.fired == ["soon"]


def test_a_timer_that_is_not_armed_does_nothing() -> None:
    loop = Loop()
    connection = Connection(loop)
    connection.arm(5, "disarmed")
    connection.disarm()
    loop.run_until(105.0)
    connection.arm(5, "lost")
    connection.connection_lost(None)
    loop.run_until(1000.0)
    assert connection.fired == []
    assert not loop.timers  # nothing holds the connection
