"""Polling intervals of a run, from the usual duration of its flow's runs. Pure.

A run whose flow is not known yet is looked at after `first` seconds, and then each time after half
as long as it has gone on, or, where nobody waits for it, after as long. What its runs take is
learned from those that end: then the next is first looked at when it has taken 0.85 of that
(earlier where they differ, and halfway where they take minutes), and from then on in steps of a
tenth, or of a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FIRST_POLL_FRACTION: Final = 0.85  # of the usual duration, when a run is first expected to be over
# of the usual duration, between looks from then on
EAGER_STEP_FRACTION = 0.1
LAZY_STEP_FRACTION = 0.25
EAGER_GROWTH_FACTOR: Final = 0.5  # of the growth, where somebody waits
# of `first`: so early a run may be looked at with others of its flow where nothing is known of it
EARLY_POLL_FRACTION: Final = 0.5


@dataclass(frozen=True, slots=True)
class Polling:
    """How often a run is asked after: first after `first` seconds, then `growth` times longer each
    time, up to `max`.

    `least`: never sooner than that. `together`: so many runs of a flow are asked about by one look
    at its list of runs; 0: each alone.
    """

    first: float
    growth: float
    max: float
    least: float = 0.05
    together: int = 2

    def delay(self, polls: int) -> float:
        """Return the seconds to wait before the next look where `polls` have been made and nothing
        else is known.
        """
        return min(self.first * self.growth ** min(max(polls, 0), 64), self.max)


@dataclass(frozen=True, slots=True)
class UsualDuration:
    """How long the runs of a flow take, and by how much they usually differ from that: moving
    averages, in seconds.
    """

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
    """Return the seconds until a run that has gone on for `elapsed` is looked at. `eager`: somebody
    waits for it to end.
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
    """Return how many seconds before its time a run may be looked at, where others of its flow are
    looked at anyway.
    """
    return (
        polling.first * EARLY_POLL_FRACTION if usual is None else _step(polling, usual, eager=True)
    )


def delay_after_failures(polling: Polling, wait: float, failures: int) -> float:
    """Return the seconds until the next look where so many in a row have failed, and it would else
    be `wait`.
    """
    return max(wait, polling.delay(failures)) if failures else wait


def _first_poll_at(usual: UsualDuration) -> float:
    return max(0.0, FIRST_POLL_FRACTION * usual.mean - usual.spread)


def _step(polling: Polling, usual: UsualDuration, *, eager: bool) -> float:
    return max(polling.least, (EAGER_STEP_FRACTION if eager else LAZY_STEP_FRACTION) * usual.mean)
