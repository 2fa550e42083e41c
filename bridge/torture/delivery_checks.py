"""Check each delivery: its final status, and the number of its starts against its route."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bridge.delivery.reconcile_verdict import CLOCK_STEPPED, NOT_COMPARABLE
from bridge.store.queries.census import AttemptRow, DeliveryRow
from bridge.store.queue import reconcile
from bridge.torture.record_index import RecordIndex
from bridge.torture.records import Account, Start
from bridge.torture.scenarios import Scenario

MAX_LISTED_STARTS: Final = 5  # in the text of a finding


def is_settled(one: DeliveryRow) -> bool:
    """Whether a delivery has a final status."""
    return one.status in _STATUS_CHECKS


def check_delivery(one: DeliveryRow, index: RecordIndex, result: Account) -> None:
    """Check that a delivery has a final status and that its route allows its starts."""
    scenario = index.scenarios.get(one.route)
    starts = index.starts.get((one.event_id, one.route), [])
    result.statuses[one.status] += 1
    if scenario is None:
        result.add_finding("altered", one.id, f"there is no route {one.route}")
        return
    if one.event_id not in index.events:
        result.add_finding("lost", one.id, f"its event {one.event_id} is not in the store")
    _STATUS_CHECKS.get(one.status, _add_unsettled)(one, starts, index, result)
    _check_repeats(one, scenario, starts, index.attempts.get(one.id, []), result)


def count_reconciled(one: DeliveryRow, index: RecordIndex, result: Account) -> None:
    """Count the results of searching for the runs of unanswered starts."""
    scenario = index.scenarios.get(one.route)
    details = [attempt.detail or "" for attempt in index.attempts.get(one.id, ())]
    if scenario is not None and scenario.on_unknown == "reconcile":
        result.counts["reconciled_adopted"] += sum(
            detail.endswith(reconcile.RUN_FOUND) for detail in details
        )
        result.counts["reconciled_queued_again"] += sum(
            detail.endswith(reconcile.RUN_NOT_FOUND) for detail in details
        )
        result.counts["reconciled_held"] += one.status == "unknown"


# -- by status


def _add_unsettled(
    one: DeliveryRow, _starts: Sequence[Start], _index: RecordIndex, result: Account
) -> None:
    result.add_finding(
        "unsettled", one.id, f"{one.status} ({one.reason or 'no reason'}), route {one.route}"
    )


def _check_delivered(
    one: DeliveryRow, starts: Sequence[Start], _index: RecordIndex, result: Account
) -> None:
    if not starts and (one.platform != "local" or one.run_state == "done"):
        result.add_finding(
            "lost", one.id, f"delivered by {one.route}, but never started: run {one.run_id}"
        )
    elif one.platform == "gumloop" and one.run_id not in {start.run_id for start in starts}:
        result.add_finding(
            "altered",
            one.id,
            f"delivered as run {one.run_id}, but started as"
            f" {', '.join(str(start.run_id) for start in starts)}",
        )


def _count_unknown(
    one: DeliveryRow, starts: Sequence[Start], _index: RecordIndex, result: Account
) -> None:
    result.counts["held"] += 1
    result.counts["held_started"] += bool(starts)
    result.counts["held_clock"] += (one.reason or "").startswith((CLOCK_STEPPED, NOT_COMPARABLE))


def _check_dead(
    one: DeliveryRow, _starts: Sequence[Start], _index: RecordIndex, result: Account
) -> None:
    if not one.reason:
        result.add_finding("lost", one.id, f"dead without a reason, route {one.route}")
    result.dead[one.reason or "no reason"] += 1


def _check_cancelled(
    one: DeliveryRow, starts: Sequence[Start], index: RecordIndex, result: Account
) -> None:
    """Check that a cancelled delivery was merged into a later one of its route.

    The test cancels nothing itself, so `debounce` is the only reason.
    """
    later = index.by_id.get(one.merged_into or "")
    if later is None or later.route != one.route or later.seq <= one.seq:
        result.add_finding(
            "lost",
            one.id,
            f"cancelled, and merged into {one.merged_into or 'nothing'}, route {one.route}",
        )
    elif starts:
        result.add_finding(
            "started_twice",
            one.id,
            f"started, though it was merged into {one.merged_into}: {_format_starts(starts)}",
        )
    result.counts["merged"] += 1


#: final status -> its check
_STATUS_CHECKS: Final[
    Mapping[str, Callable[[DeliveryRow, Sequence[Start], RecordIndex, Account], Any]]
] = {
    "delivered": _check_delivered,
    "unknown": _count_unknown,
    "dead": _check_dead,
    "cancelled": _check_cancelled,
    "shadow": lambda *_: None,
}


# -- repeated starts


def _check_repeats(
    one: DeliveryRow,
    scenario: Scenario,
    starts: Sequence[Start],
    attempts: Sequence[AttemptRow],
    result: Account,
) -> None:
    """Check that each further start was declared.

    It is allowed after an attempt with an unknown outcome, on a route with `on_unknown: retry` and
    under the same key; and after a failed run, on a route with `on_run_failed`.
    """
    expected = {"live": None, "shadow": ("shadow",), "parked": ("dead",)}[scenario.mode]
    if expected is not None:
        _check_not_started(one, scenario, starts, expected, result)
        return
    if len(starts) < 2:
        return
    failed = min(scenario.reruns, sum(start.failed for start in starts), len(starts) - 1)
    allowed = 1 + failed
    result.counts["rerun_as_declared"] += failed
    if scenario.may_repeat:
        doubtful = sum(attempt.outcome in ("started", "unknown", None) for attempt in attempts)
        allowed = len(starts) if scenario.platform == "local" else max(1, doubtful)
    if len(starts) > allowed:
        text = (
            f"started {len(starts)} times by {one.route} (on_unknown: {scenario.on_unknown}),"
            f" allowed {allowed}: {_format_starts(starts)}"
        )
        result.add_finding("started_twice", one.id, text)
    elif scenario.platform == "http" and {start.idempotency_key for start in starts} != {one.id}:
        result.add_finding(
            "started_twice",
            one.id,
            f"started again with another Idempotency-Key: {_format_starts(starts)}",
        )
    else:
        result.counts["repeated_as_declared"] += len(starts) - 1 - failed


def _check_not_started(
    one: DeliveryRow,
    scenario: Scenario,
    starts: Sequence[Start],
    expected: Sequence[str],
    result: Account,
) -> None:
    if one.status not in expected:
        result.add_finding("altered", one.id, f"{one.status}, but {one.route} is {scenario.mode}")
    if starts:
        result.add_finding(
            "started_twice",
            one.id,
            f"started {len(starts)} times, but {one.route} is {scenario.mode}:"
            f" {_format_starts(starts)}",
        )


def _format_starts(starts: Sequence[Start]) -> str:
    return "; ".join(
        f"{start.at:.3f} {start.run_id or start.idempotency_key or ''} ({start.fault})"
        for start in starts[:MAX_LISTED_STARTS]
    )
