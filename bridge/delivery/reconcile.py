"""Records for finding the run of a start without an answer in a platform's list of runs. Pure.

The window of an attempt reaches from its intent to its deadline, with some skew. A run of the flow
that was created in it and is linked to no delivery is a candidate. The list covers the window where
it holds fewer runs than it can, or its oldest is older than the window.

A run is adopted where its outputs echo the id of the delivery or of its event, or where it is the
sole candidate of a flow that nobody else starts. The delivery is queued again only where two looks
agree that there is no candidate. Everything else is for a person.

The window is in wall-clock time, so it means something only where the clock was not set in between.
A step of the clock between the intent and the look widens the window, up to `SKEW`. Beyond that, or
where no clock tells the step, the delivery is held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from bridge.core.clock_reading import ClockReading, compare_readings
from bridge.core.model import JSON, RUN_ENDED, Delivery, RunState

# seconds by which the platform's clock may differ from ours, beyond what its answers tell
MAX_SKEW_SECONDS: Final = 60.0
MAX_LISTED_RUNS: Final = 10  # runs that a list holds at most: one with fewer is whole


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which an attempt's run was created, if there is one."""

    since: float
    until: float

    def holds(self, at: float) -> bool:
        """Tell whether a time is in it."""
        return self.since <= at <= self.until


def attempt_window(began_at: float, timeout: float, off: float = 0.0) -> Window:
    """Return the window of an attempt. `timeout`: seconds until its deadline; `off`: by how much
    the platform's clock differs.
    """
    skew = MAX_SKEW_SECONDS + abs(off)
    return Window(began_at - skew, began_at + timeout + skew)


def window_by_clocks(intent: ClockReading, look: ClockReading, timeout: float) -> Window:
    """Return the window of an attempt by the clocks at its intent and at the look, in the time of
    the platform.

    What the platform's clock showed may have been known at the intent, and is at the look, from
    where a step of our clock leads back to the intent. Where it was not known at the intent it may
    have agreed with ours then.
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
    """Whose id a run's outputs have in them."""

    DELIVERY = "delivery"
    EVENT = "event"


def find_echo(outputs: JSON, delivery: Delivery) -> Echo | None:
    """Return what a run's outputs echo: one of them is the id of the delivery, or that of its
    event. Null where none is.
    """
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
    """A run that may be the one. `created_at` and `state` are null where the platform does not
    tell; `gone`: it has it no more.
    """

    run_id: str
    created_at: float | None = None
    state: RunState | None = None
    echo: Echo | None = None
    gone: bool = False

    @property
    def is_over(self) -> bool:
        """Whether more cannot be learned of it."""
        return self.gone or self.state in RUN_ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Another attempt for the same flow whose run is not known, and whose window overlaps.
    `is_open`: its call is under way.
    """

    delivery_id: str
    event_id: str
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at the platform's list of runs has found, at the time `at`.

    `listed`: runs that the list holds, of which `unread` could not be read; `oldest`: when the
    oldest was created. `problem`: why the look has learned nothing. `step`: seconds by which the
    wall clock was stepped forward since the intent; null where no clock tells.
    `read_clocks`: the intent stored the clocks, which an earlier version did not. `status_code`:
    that of the answer to the call for the list, null where there was none.
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
        """Whether no run of the window can be missing from the list."""
        return self.problem is None and (
            self.listed < MAX_LISTED_RUNS
            or (self.oldest is not None and self.oldest < self.window.since)
        )


class ReconcileVerdict(StrEnum):
    """What a look decides."""

    ADOPT = "adopt"  #: the run is the delivery's
    AGAIN = "again"  #: not yet: look again
    QUEUE = "queue"  #: there is no run: start it again
    HOLD = "hold"  #: it is for a person to say


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileDecision:
    """What becomes of a delivery, and why. `run_id`: the adopted run; `wait`: seconds until the
    next look.
    """

    verdict: ReconcileVerdict
    why: str
    run_id: str | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the looks for the run of one attempt have found, as it is kept with the delivery.

    `covered`: a look has covered the window; `empty_at`: since then no look has found a candidate,
    and the first of them covered it.
    `failing_since`: the time of the first look of those that failed in a row, null where the last
    one did not fail.
    """

    attempt: int
    looks: int
    look: Look
    decision: ReconcileDecision
    covered: bool = False
    empty_at: float | None = None
    failing_since: float | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return what is kept of it: times are seconds since the epoch."""
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
            "candidates": [_candidate_json(one) for one in look.candidates],
            "others": [one.delivery_id for one in look.rivals],
            "decided": self.decision.verdict.value,
            "why": self.decision.why,
            "run_id": self.decision.run_id,
        }


@dataclass(frozen=True, slots=True)
class EarlierLooks:
    """What later looks need to know of the earlier ones for the same attempt. `step`: that of the
    clock since the intent, at the last.
    """

    looks: int = 0
    covered: bool = False
    empty_at: float | None = None
    run_ids: tuple[str, ...] = ()
    step: float = 0.0
    failing_since: float | None = None

    def by_clock_of(self, look: Look) -> EarlierLooks:
        """Return it with its times as the clock has them now, which was stepped since by as much
        more as `look` says.
        """
        return (
            self
            if self.empty_at is None
            else replace(self, empty_at=self.empty_at + (look.step or 0.0) - self.step)
        )


def read_earlier_looks(kept: JSON, attempt: int) -> EarlierLooks:
    """Return what is known from the evidence that is kept, nothing where it is of another
    attempt.
    """
    if not isinstance(kept, dict) or kept.get("attempt") != attempt:
        return EarlierLooks()
    run_ids = tuple(one["run_id"] for one in kept["candidates"])
    step = kept.get("clock_step") or 0.0
    failing_since = kept.get("failing_since")
    return EarlierLooks(
        kept["looks"], kept["covered"], kept["empty_at"], run_ids, step, failing_since
    )


def filter_candidates(
    found: Iterable[Candidate], linked: Collection[str], within: Window
) -> tuple[Candidate, ...]:
    """Return those that are linked to no delivery and were created within the window, or nobody
    knows when.
    """
    fit = (one for one in found if one.created_at is None or within.holds(one.created_at))
    return tuple(one for one in fit if one.run_id not in linked)


def _candidate_json(one: Candidate) -> dict[str, Any]:
    return {
        "run_id": one.run_id,
        "state": "gone" if one.gone else one.state and one.state.value,
        "created_at": one.created_at,
        "echo": one.echo and one.echo.value,
    }
