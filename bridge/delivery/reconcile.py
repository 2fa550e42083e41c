"""Records of the search for the run of an unknown start in a platform's list of runs. Pure.

A *look* is one check of that list. The window of an attempt is the time from its intent to its
deadline, with some clock skew. A run of the flow that was created in the window and is linked to no
delivery is a candidate. The list covers the window if it is shorter than its limit, or if its
oldest run is older than the window.

A run is adopted if its outputs echo the id of the delivery or of its event, or if it is the only
candidate and only flowbridge starts the flow. The delivery is queued again only if two looks find
no candidate. Everything else is left to a person.

The window is in wall-clock time, so it is valid only if the clock was not set in between. A step of
the clock between the intent and the look widens the window, up to `MAX_SKEW_SECONDS`. If the step
is larger or unknown, the delivery is held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from bridge.core.clock_reading import ClockReading, compare_readings
from bridge.core.model import JSON, RUN_ENDED, Delivery, RunState

# how far the platform's clock may differ from ours, beyond the difference that its answers show
MAX_SKEW_SECONDS: Final = 60.0
MAX_LISTED_RUNS: Final = 10  # of a list of runs: a shorter list is complete


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which the run of an attempt was created, if there is a run."""

    since: float
    until: float

    def holds(self, at: float) -> bool:
        """Return whether a time is in the window."""
        return self.since <= at <= self.until


def window_by_clocks(intent: ClockReading, look: ClockReading, timeout: float) -> Window:
    """Return the window of an attempt in the platform's time, from the clocks at intent and look.

    The platform's time may be known at the intent. At the look it is known, and the step of our
    clock leads back to the intent. If it was not known at the intent, it may have been equal to
    ours then.
    """
    between = compare_readings(intent, look)
    step = 0.0 if between is None else between.step
    ahead = [0.0, step] if intent.platform_at is None else [intent.platform_at - intent.at]
    ahead += [] if look.platform_at is None else [look.platform_at - look.at + step]
    return Window(
        intent.at + min(ahead) - MAX_SKEW_SECONDS,
        intent.at + timeout + max(ahead) + MAX_SKEW_SECONDS,
    )


class Echo(StrEnum):
    """The id that the outputs of a run contain: the delivery's or the event's."""

    DELIVERY = "delivery"
    EVENT = "event"


def find_echo(outputs: JSON, delivery: Delivery) -> Echo | None:
    """Return which id one of a run's outputs is equal to, or None."""
    values = (
        {value.strip() for value in outputs.values() if isinstance(value, str)}
        if isinstance(outputs, dict)
        else set()
    )
    if delivery.id in values:
        return Echo.DELIVERY
    return Echo.EVENT if delivery.event_id in values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A run that may be the delivery's.

    `created_at` and `state` are None if the platform does not send them. `gone`: the platform no
    longer has the run.
    """

    run_id: str
    created_at: float | None = None
    state: RunState | None = None
    echo: Echo | None = None
    gone: bool = False

    @property
    def is_over(self) -> bool:
        """Whether a later look cannot learn more about it."""
        return self.gone or self.state in RUN_ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Another attempt for the same flow without a known run, whose window overlaps.

    `is_open`: its call is in progress.
    """

    delivery_id: str
    event_id: str
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The result of one check of the platform's list of runs, at the time `at`.

    `listed`: the number of runs in the list, of which `unread` could not be read. `oldest`: when
    the oldest was created. `problem`: why the check failed. `step`: seconds by which the wall clock
    was set forward since the intent, None if no clock shows it. `read_clocks`: the clocks were
    stored at the intent, which an earlier version did not do. `status_code`: of the answer to the
    call for the list, None without an answer.
    """

    at: float
    window: Window
    listed: int = 0
    unread: int = 0
    oldest: float | None = None
    candidates: tuple[Candidate, ...] = ()
    rivals: tuple[Rival, ...] = ()
    problem: str | None = None
    step: float | None = 0.0
    read_clocks: bool = True
    status_code: int | None = None

    @property
    def covers(self) -> bool:
        """Whether the list has all runs of the window."""
        return self.problem is None and (
            self.listed < MAX_LISTED_RUNS
            or (self.oldest is not None and self.oldest < self.window.since)
        )


class ReconcileVerdict(StrEnum):
    """The decision of a look."""

    ADOPT = "adopt"  #: the run is the delivery's
    AGAIN = "again"  #: not decided yet: look again
    QUEUE = "queue"  #: there is no run: start the flow again
    HOLD = "hold"  #: a person must decide


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileDecision:
    """The decision about a delivery, and its reason.

    `run_id`: the adopted run. `wait`: seconds until the next look.
    """

    verdict: ReconcileVerdict
    why: str
    run_id: str | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The result of all looks for the run of one attempt, as stored with the delivery.

    `covered`: a look has covered the window. `empty_at`: the time of the first look that covered it
    and found no candidate, if later looks found none either. `failing_since`: the time of the first
    failed look of the present series, None if the last one succeeded.
    """

    attempt: int
    looks: int
    look: Look
    decision: ReconcileDecision
    covered: bool = False
    empty_at: float | None = None
    failing_since: float | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return the stored form; times are seconds since the epoch."""
        look = self.look
        return {
            "attempt": self.attempt,
            "looks": self.looks,
            "looked_at": look.at,
            "since": look.window.since,
            "until": look.window.until,
            "problem": look.problem,
            "status_code": look.status_code,
            "failing_since": self.failing_since,
            "listed": look.listed,
            "covers": look.covers,
            "covered": self.covered,
            "empty_at": self.empty_at,
            "clock_step": None if look.step is None else round(look.step, 3),
            "candidates": [_candidate_json(candidate) for candidate in look.candidates],
            "others": [rival.delivery_id for rival in look.rivals],
            "decided": self.decision.verdict.value,
            "why": self.decision.why,
            "run_id": self.decision.run_id,
        }


@dataclass(frozen=True, slots=True)
class EarlierLooks:
    """The state that earlier looks for the same attempt leave to the next one.

    `step`: the step of the clock since the intent, at the last look.
    """

    looks: int = 0
    covered: bool = False
    empty_at: float | None = None
    run_ids: tuple[str, ...] = ()
    step: float = 0.0
    failing_since: float | None = None

    def by_clock_of(self, look: Look) -> EarlierLooks:
        """Return a copy with its times corrected for the step of the clock up to `look`."""
        return (
            self
            if self.empty_at is None
            else replace(self, empty_at=self.empty_at + (look.step or 0.0) - self.step)
        )


def select_evidence(stored: JSON, attempt: int) -> JSON:
    """Return the stored evidence of an attempt, or None if it is of an earlier one."""
    return stored if isinstance(stored, dict) and stored.get("attempt") == attempt else None


def read_earlier_looks(stored: JSON, attempt: int) -> EarlierLooks:
    """Return the state from stored evidence; an empty one if it is of another attempt."""
    kept = select_evidence(stored, attempt)
    if not isinstance(kept, dict):
        return EarlierLooks()
    run_ids = tuple(candidate["run_id"] for candidate in kept["candidates"])
    step = kept.get("clock_step") or 0.0
    failing_since = kept.get("failing_since")
    return EarlierLooks(
        kept["looks"], kept["covered"], kept["empty_at"], run_ids, step, failing_since
    )


def filter_candidates(
    candidates: Iterable[Candidate], linked: Collection[str], within: Window
) -> tuple[Candidate, ...]:
    """Return the runs without a delivery that were created in the window, or at an unknown time."""
    fit = (
        candidate
        for candidate in candidates
        if candidate.created_at is None or within.holds(candidate.created_at)
    )
    return tuple(candidate for candidate in fit if candidate.run_id not in linked)


def _candidate_json(candidate: Candidate) -> dict[str, Any]:
    return {
        "run_id": candidate.run_id,
        "state": "gone" if candidate.gone else candidate.state and candidate.state.value,
        "created_at": candidate.created_at,
        "echo": candidate.echo and candidate.echo.value,
    }
