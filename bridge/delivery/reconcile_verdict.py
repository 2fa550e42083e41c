"""Decision about an unknown start, from the platform's list of runs. Pure.

See `reconcile` for the records and a summary of the rules.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from bridge.core.advice import name_command
from bridge.core.model import Delivery
from bridge.core.timings import TIMINGS, Timings
from bridge.delivery.reconcile import (
    MAX_SKEW_SECONDS,
    Candidate,
    EarlierLooks,
    Echo,
    Evidence,
    Look,
    ReconcileDecision,
    ReconcileVerdict,
    Rival,
)

WAIT_GROWTH: Final = 1.5  # factor by which the delay between checks grows
MAX_NAMED_RUNS: Final = 3  # runs that a reason lists
CLOCK_STEPPED: Final = "clock_stepped"
NOT_COMPARABLE: Final = "clock_not_comparable"
NO_PLATFORM_CLOCK: Final = (
    "the call was made before a reboot or on another host, and the platform did not send its time"
    " before and after"
)
EARLIER_VERSION: Final = (
    "an earlier version of flowbridge made the call, and did not store the clocks"
)


def judge_look(
    delivery: Delivery,
    attempt: int,
    began_at: float,
    look: Look,
    before: EarlierLooks,
    *,
    exclusive: bool,
    timings: Timings = TIMINGS,
) -> Evidence:
    """Return the evidence after a check for the run of an attempt that began at `began_at`.

    `exclusive`: only flowbridge starts the flow.
    """
    before = before.by_clock_of(look)
    covered = before.covered or look.covers
    empty = look.problem is None and not look.candidates
    empty_at = (
        before.empty_at
        if look.problem
        else (before.empty_at or look.at)
        if empty and look.covers
        else None
    )
    was_there = before.covered and all(
        candidate.run_id in before.run_ids for candidate in look.candidates
    )
    sole = exclusive and (look.covers or was_there)
    decision = _decide(delivery, began_at, look, before, timings, sole=sole)
    return Evidence(
        attempt=attempt,
        looks=before.looks + 1,
        look=look,
        decision=decision,
        covered=covered,
        empty_at=empty_at,
        failing_since=(before.failing_since or look.at) if look.problem is not None else None,
    )


def next_look_delay(looks: int, timings: Timings = TIMINGS) -> float:
    """Return the seconds until the next check after `looks` checks."""
    grown = timings.reconcile_first_seconds * WAIT_GROWTH ** min(looks, 40)
    return min(grown, timings.reconcile_max_seconds)


def _decide(
    delivery: Delivery,
    began_at: float,
    look: Look,
    before: EarlierLooks,
    timings: Timings,
    *,
    sole: bool,
) -> ReconcileDecision:
    """Return the decision. `sole`: a single candidate is the run, even without an echo."""
    again = next_look_delay(before.looks, timings)
    if (undecided := _unusable(delivery, look, again)) is not None:
        return undecided
    if not look.candidates:
        return _without(delivery, look, before, timings.reconcile_confirm_seconds)
    if echoing := sorted(
        (candidate for candidate in look.candidates if candidate.echo), key=_clearest
    ):
        return _echoed(delivery, look, echoing[0], again)
    if sole and len(look.candidates) == 1 and not look.unread and _is_certain(look.candidates[0]):
        return _only(delivery, look, look.candidates[0], again)
    if open_ones := [candidate for candidate in look.candidates if not candidate.is_over]:
        untold = any(candidate.state is None for candidate in open_ones)
        if untold or look.at < began_at + delivery.run_timeout:
            says = "the platform does not report its state" if untold else "it has not ended yet"
            return ReconcileDecision(
                verdict=ReconcileVerdict.AGAIN,
                why=f"{_named(open_ones)} may be its run, and {says}",
                wait=again,
            )
    return _ambiguous(delivery, look)


def _unusable(delivery: Delivery, look: Look, again: float) -> ReconcileDecision | None:
    """Return the decision if the check failed or its time cannot be compared with the intent's."""
    if look.problem is not None:
        return ReconcileDecision(verdict=ReconcileVerdict.AGAIN, why=look.problem, wait=again)
    if look.step is None:
        by = NO_PLATFORM_CLOCK if look.read_clocks else EARLIER_VERSION
        why = f"{NOT_COMPARABLE}: {by}"
    elif abs(look.step) > MAX_SKEW_SECONDS:
        way = "forward" if look.step > 0 else "back"
        why = (
            f"{CLOCK_STEPPED}: the clock was set {way} by {abs(look.step):.0f} s between the call"
            " and this check"
        )
    else:
        return None
    return ReconcileDecision(
        verdict=ReconcileVerdict.HOLD,
        why=f"{why}, so no run can be ruled out: {_advice(delivery, look.candidates)}",
    )


def _clearest(candidate: Candidate) -> tuple[bool, float]:
    """Sort key: candidates that echo the delivery's id first, then by age."""
    return candidate.echo is not Echo.DELIVERY, candidate.created_at or 0.0


def _is_certain(candidate: Candidate) -> bool:
    return candidate.created_at is not None and not candidate.gone


def _echoed(
    delivery: Delivery, look: Look, candidate: Candidate, again: float
) -> ReconcileDecision:
    """Return the decision for a run that echoes an id.

    The event's id does not identify the run: the runs of its other deliveries may echo it too.
    """
    twins = (
        []
        if candidate.echo is Echo.DELIVERY
        else [rival for rival in look.rivals if rival.event_id == delivery.event_id]
    )
    if not twins:
        return ReconcileDecision(
            verdict=ReconcileVerdict.ADOPT,
            why=f"the outputs of {candidate.run_id} have the id of its {candidate.echo}",
            run_id=candidate.run_id,
        )
    return _contested(delivery, twins, candidate, again)


def _only(delivery: Delivery, look: Look, candidate: Candidate, again: float) -> ReconcileDecision:
    if not look.rivals:
        why = f"{candidate.run_id} is the only matching run, and only flowbridge starts this flow"
        return ReconcileDecision(verdict=ReconcileVerdict.ADOPT, why=why, run_id=candidate.run_id)
    return _contested(delivery, look.rivals, candidate, again)


def _contested(
    delivery: Delivery, rivals: Collection[Rival], candidate: Candidate, again: float
) -> ReconcileDecision:
    """Return the decision for a run that may be another delivery's.

    It waits for calls that are in progress.
    """
    ids = ", ".join([rival.delivery_id for rival in rivals][:MAX_NAMED_RUNS])
    why = f"{_named([candidate])} may be its run, or that of {ids}"
    if all(rival.is_open for rival in rivals):
        return ReconcileDecision(
            verdict=ReconcileVerdict.AGAIN, why=f"{why}, whose call is in progress", wait=again
        )
    return ReconcileDecision(
        verdict=ReconcileVerdict.HOLD, why=f"{why}: {_advice(delivery, [candidate])}"
    )


def _without(
    delivery: Delivery, look: Look, before: EarlierLooks, confirm: float
) -> ReconcileDecision:
    if not look.covers or look.unread:
        lack = (
            "has entries that cannot be read"
            if look.unread
            else f"has only the {look.listed} newest runs, which do not go back far enough"
        )
        return ReconcileDecision(
            verdict=ReconcileVerdict.HOLD,
            why=(
                f"no matching run was found, but the platform's list {lack}:"
                f" {_advice(delivery, [])}"
            ),
        )
    if before.empty_at is None:
        return ReconcileDecision(
            verdict=ReconcileVerdict.AGAIN,
            why="no run matches; a second check must confirm it",
            wait=confirm,
        )
    left = before.empty_at + confirm - look.at
    if left > 0:
        return ReconcileDecision(
            verdict=ReconcileVerdict.AGAIN,
            why="no run matches; a second check must confirm it",
            wait=left,
        )
    return ReconcileDecision(verdict=ReconcileVerdict.QUEUE, why="two checks found no run of it")


def _ambiguous(delivery: Delivery, look: Look) -> ReconcileDecision:
    some = look.candidates
    are = (
        "may be its run, but its outputs do not identify it"
        if len(some) == 1
        else "may each be its run, and no outputs identify it"
    )
    return ReconcileDecision(
        verdict=ReconcileVerdict.HOLD, why=f"{_named(some)} {are}: {_advice(delivery, some)}"
    )


def _named(some: Collection[Candidate]) -> str:
    names = [
        f"{candidate.run_id} ({'gone' if candidate.gone else candidate.state or 'state unknown'})"
        for candidate in some
    ]
    return ", ".join(names[:MAX_NAMED_RUNS]) + (
        f" and {len(names) - MAX_NAMED_RUNS} more" if len(names) > MAX_NAMED_RUNS else ""
    )


def _advice(delivery: Delivery, some: Collection[Candidate]) -> str:
    run = next((candidate.run_id for candidate in some), "RUN") if len(some) == 1 else "RUN"
    record = name_command("resolve", delivery.id, as_="delivered", run_id=run)
    return f"check the platform, then `{record}`, or `--as queued` if there is no run"
