"""Polling intervals of a run, from the usual duration of its flow's runs. Pure.

Without a known duration, a run is polled after `first` seconds, and then each time its duration so
far has grown by half (if another delivery waits for it) or doubled. The usual duration is learned
from runs that end. With it, a run is first polled after 0.85 of the usual duration (earlier if
durations vary, and halfway if they are minutes), and then in steps of a tenth or a quarter of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_POLL_FRACTION: Final = 0.85  # of the usual duration, until the first poll
# of the usual duration, between later polls
EAGER_STEP_FRACTION = 0.1
LAZY_STEP_FRACTION = 0.25
EAGER_GROWTH_FACTOR: Final = 0.5  # of the growth, if a delivery waits for the run
# of `first`: how early a run without a known duration may be polled together with others
EARLY_POLL_FRACTION: Final = 0.5


@dataclass(frozen=True, slots=True)
class Polling:
    """Polling settings of a platform: `first` seconds, then `growth` times longer, up to `max`.

    `least`: the shortest interval. `together`: with this many due runs of a flow, one call for its
    list of runs polls them all; 0: each run is polled separately.
    """

    first: float
    growth: float
    max: float
    least: float = 0.05
    together: int = 2

    def delay(self, polls: int) -> float:
        """Return the seconds until the next poll after `polls` polls."""
        return min(self.first * self.growth ** min(max(polls, 0), 64), self.max)


@dataclass(frozen=True, slots=True)
class UsualDuration:
    """Moving averages of the duration of a flow's runs and of its deviation, in seconds."""

    mean: float
    spread: float = 0.0


def update_usual_duration(usual: UsualDuration | None, seconds: float) -> UsualDuration:
    """Return the usual duration after a run that took `seconds`."""
    if usual is None:
        return UsualDuration(seconds)
    spread = usual.spread + (abs(seconds - usual.mean) - usual.spread) / 4
    return UsualDuration(usual.mean + (seconds - usual.mean) / 4, spread)


def next_poll_delay(
    polling: Polling, elapsed: float, usual: UsualDuration | None, *, eager: bool
) -> float:
    """Return the seconds until the next poll of a run that was started `elapsed` seconds ago.

    `eager`: a delivery waits for it to end.
    """
    growth = (polling.growth - 1) * (EAGER_GROWTH_FACTOR if eager else 1)
    if usual is None:
        return min(max(polling.first, elapsed * growth), polling.max)
    begin = _first_poll_at(usual)
    step = _step(polling, usual, eager=eager)
    if elapsed < begin - early_poll_seconds(polling, usual):
        return min(begin - elapsed, max(polling.max, usual.mean / 2))
    return max(step, min((elapsed - begin) * growth, polling.max))


def early_poll_seconds(polling: Polling, usual: UsualDuration | None) -> float:
    """Return how many seconds early a run may be polled together with others of its flow."""
    return (
        polling.first * EARLY_POLL_FRACTION if usual is None else _step(polling, usual, eager=True)
    )


def delay_after_failures(polling: Polling, wait: float, failures: int) -> float:
    """Return the seconds until the next poll after `failures` failed ones; at least `wait`."""
    return max(wait, polling.delay(failures)) if failures else wait


def _first_poll_at(usual: UsualDuration) -> float:
    return max(0.0, FIRST_POLL_FRACTION * usual.mean - usual.spread)


def _step(polling: Polling, usual: UsualDuration, *, eager: bool) -> float:
    return max(polling.least, (EAGER_STEP_FRACTION if eager else LAZY_STEP_FRACTION) * usual.mean)
