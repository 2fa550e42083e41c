"""Compare the sent events, the store's rows and the executed starts. No I/O, no clock.

Each delivery is checked by its final status and its number of starts against its route, and the
starts of a route by its `order_by` and its `max_concurrent_runs`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from bridge.delivery.reconcile_verdict import CLOCK_STEPPED, NOT_COMPARABLE
from bridge.store.queries.census import AttemptRow, DeliveryRow, StoreRows
from bridge.store.queue import reconcile
from bridge.torture.record_index import RecordIndex, index_records
from bridge.torture.records import Account, SentEvent, Start
from bridge.torture.scenarios import SCENARIOS, Scenario, routes_of

MAX_LISTED_STARTS: Final = 5  # in the text of a finding


def is_settled(delivery: DeliveryRow) -> bool:
    """Whether a delivery has a final status."""
    return delivery.status in _STATUS_CHECKS


def check_delivery(delivery: DeliveryRow, index: RecordIndex, result: Account) -> None:
    """Check that a delivery has a final status and that its route allows its starts."""
    scenario = index.scenarios.get(delivery.route)
    starts = index.starts.get((delivery.event_id, delivery.route), [])
    result.statuses[delivery.status] += 1
    if scenario is None:
        result.add_finding("altered", delivery.id, f"there is no route {delivery.route}")
        return
    if delivery.event_id not in index.events:
        result.add_finding(
            "lost", delivery.id, f"its event {delivery.event_id} is not in the store"
        )
    _STATUS_CHECKS.get(delivery.status, _add_unsettled)(delivery, starts, index, result)
    _check_repeats(delivery, scenario, starts, index.attempts.get(delivery.id, []), result)


def count_reconciled(delivery: DeliveryRow, index: RecordIndex, result: Account) -> None:
    """Count the results of searching for the runs of unanswered starts."""
    scenario = index.scenarios.get(delivery.route)
    details = [attempt.detail or "" for attempt in index.attempts.get(delivery.id, ())]
    if scenario is not None and scenario.on_unknown == "reconcile":
        result.counts["reconciled_adopted"] += sum(
            detail.endswith(reconcile.RUN_FOUND) for detail in details
        )
        result.counts["reconciled_queued_again"] += sum(
            detail.endswith(reconcile.RUN_NOT_FOUND) for detail in details
        )
        result.counts["reconciled_held"] += delivery.status == "unknown"


# -- by status


def _add_unsettled(
    delivery: DeliveryRow, _starts: Sequence[Start], _index: RecordIndex, result: Account
) -> None:
    result.add_finding(
        "unsettled",
        delivery.id,
        f"{delivery.status} ({delivery.reason or 'no reason'}), route {delivery.route}",
    )


def _check_delivered(
    delivery: DeliveryRow, starts: Sequence[Start], _index: RecordIndex, result: Account
) -> None:
    if not starts and (delivery.platform != "local" or delivery.run_state == "done"):
        result.add_finding(
            "lost",
            delivery.id,
            f"delivered by {delivery.route}, but never started: run {delivery.run_id}",
        )
    elif delivery.platform == "gumloop" and delivery.run_id not in {
        start.run_id for start in starts
    }:
        result.add_finding(
            "altered",
            delivery.id,
            f"delivered as run {delivery.run_id}, but started as"
            f" {', '.join(str(start.run_id) for start in starts)}",
        )


def _count_unknown(
    delivery: DeliveryRow, starts: Sequence[Start], _index: RecordIndex, result: Account
) -> None:
    result.counts["held"] += 1
    result.counts["held_started"] += bool(starts)
    result.counts["held_clock"] += (delivery.reason or "").startswith(
        (CLOCK_STEPPED, NOT_COMPARABLE)
    )


def _check_dead(
    delivery: DeliveryRow, _starts: Sequence[Start], _index: RecordIndex, result: Account
) -> None:
    if not delivery.reason:
        result.add_finding("lost", delivery.id, f"dead without a reason, route {delivery.route}")
    result.dead[delivery.reason or "no reason"] += 1


def _check_cancelled(
    delivery: DeliveryRow, starts: Sequence[Start], index: RecordIndex, result: Account
) -> None:
    """Check that a cancelled delivery was merged into a later one of its route.

    The test cancels nothing itself, so `debounce` is the only reason.
    """
    later = index.by_id.get(delivery.merged_into or "")
    if later is None or later.route != delivery.route or later.seq <= delivery.seq:
        result.add_finding(
            "lost",
            delivery.id,
            f"cancelled, and merged into {delivery.merged_into or 'nothing'}, route"
            f" {delivery.route}",
        )
    elif starts:
        result.add_finding(
            "started_twice",
            delivery.id,
            f"started, though it was merged into {delivery.merged_into}: {_format_starts(starts)}",
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
    delivery: DeliveryRow,
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
        _check_not_started(delivery, scenario, starts, expected, result)
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
            f"started {len(starts)} times by {delivery.route} (on_unknown: {scenario.on_unknown}),"
            f" allowed {allowed}: {_format_starts(starts)}"
        )
        result.add_finding("started_twice", delivery.id, text)
    elif scenario.platform == "http" and {start.idempotency_key for start in starts} != {
        delivery.id
    }:
        result.add_finding(
            "started_twice",
            delivery.id,
            f"started again with another Idempotency-Key: {_format_starts(starts)}",
        )
    else:
        result.counts["repeated_as_declared"] += len(starts) - 1 - failed


def _check_not_started(
    delivery: DeliveryRow,
    scenario: Scenario,
    starts: Sequence[Start],
    expected: Sequence[str],
    result: Account,
) -> None:
    if delivery.status not in expected:
        result.add_finding(
            "altered", delivery.id, f"{delivery.status}, but {delivery.route} is {scenario.mode}"
        )
    if starts:
        result.add_finding(
            "started_twice",
            delivery.id,
            f"started {len(starts)} times, but {delivery.route} is {scenario.mode}:"
            f" {_format_starts(starts)}",
        )


def _format_starts(starts: Sequence[Start]) -> str:
    return "; ".join(
        f"{start.at:.3f} {start.run_id or start.idempotency_key or ''} ({start.fault})"
        for start in starts[:MAX_LISTED_STARTS]
    )


def check_order(
    scenario: Scenario, deliveries: Iterable[DeliveryRow], index: RecordIndex, result: Account
) -> None:
    """Check that the runs of a key started one at a time, in the order of the events' commits."""
    by_key: dict[str, list[tuple[DeliveryRow, list[Start]]]] = defaultdict(list)
    for delivery in deliveries:
        if delivery.route == scenario.route and (
            starts := index.starts.get((delivery.event_id, delivery.route))
        ):
            by_key[starts[0].key].append((delivery, starts))
    for key, started in by_key.items():
        for (delivery, first), (after, then) in pairwise(started):
            ended = max(
                (start.ended_at or 0.0 for start in first if _was_followed(delivery, start)),
                default=0.0,
            )
            if then[0].at < first[0].at:
                result.add_finding(
                    "out_of_order",
                    after.id,
                    f"key {key}: started at {then[0].at:.3f}, and {delivery.id} at"
                    f" {first[0].at:.3f}",
                )
            elif then[0].at < ended:
                result.add_finding(
                    "out_of_order",
                    after.id,
                    f"key {key}: started {ended - then[0].at:.3f} s before the run of {delivery.id}"
                    " ended",
                )
            result.counts["in_order"] += 1


def check_cap(
    scenario: Scenario,
    cap: int,
    deliveries: Iterable[DeliveryRow],
    index: RecordIndex,
    result: Account,
) -> None:
    """Check at each start that no more than `cap` runs of the route were active."""
    runs = [
        (start.at, start.ended_at, row)
        for row in deliveries
        if row.route == scenario.route
        for start in index.starts.get((row.event_id, row.route), ())
        if start.ended_at and _was_followed(row, start)
    ]
    active: list[float] = []
    for at, ended, delivery in sorted(runs, key=lambda run: run[0]):
        active = [*(end for end in active if end > at), ended]
        if len(active) > cap:
            result.add_finding(
                "over_cap",
                delivery.id,
                f"started at {at:.3f} as number {len(active)}, but {scenario.route} allows {cap}",
            )


def _was_followed(delivery: DeliveryRow, start: Start) -> bool:
    """Whether the delivery recorded this run and polled it until it ended.

    False for a run whose answer was lost, and for one that was given up.
    """
    return start.run_id is not None and start.run_id == delivery.run_id and not delivery.reason


def account_for_events(
    sent: Sequence[SentEvent],
    rows: StoreRows,
    starts: Sequence[Start],
    *,
    ended: bool = True,
    scenarios: Sequence[Scenario] = SCENARIOS,
) -> Account:
    """Return the counts and the findings. `starts` are in the order in which they were executed.

    `ended`: all work had ended and the bridge was stopped in order, so that a lease, a slot or an
    open attempt is a finding of the kind `stuck`; otherwise it is `unsettled`.
    """
    result = Account()
    index = index_records(scenarios, rows, starts)
    for sent_event in sent:
        _check_sent(sent_event, index, result)
    for delivery in rows.deliveries:
        check_delivery(delivery, index, result)
        count_reconciled(delivery, index, result)
    for start in starts:
        _check_start(start, index, result)
    _check_duplicates(index, result)
    _check_leftovers(rows, "stuck" if ended else "unsettled", result)
    for scenario in scenarios:
        if scenario.ordered:
            check_order(scenario, rows.deliveries, index, result)
        if scenario.cap is not None:
            check_cap(scenario, scenario.cap, rows.deliveries, index, result)
    return result


def _check_sent(sent: SentEvent, index: RecordIndex, result: Account) -> None:
    """Check that an acknowledged event is stored with its id, its body and all its deliveries."""
    counts = result.counts
    stored = index.by_sender.get(sent.id, [])
    counts["posted"] += sent.tries
    counts["refused"] += sent.refused
    counts["unanswered"] += sent.unanswered
    if sent.forged:
        counts["forged"] += 1
        if stored or sent.acknowledged:
            result.add_finding(
                "forged", sent.id, f"event {stored[0].id}" if stored else "it was acknowledged"
            )
        return
    counts["events"] += 1
    if not sent.acknowledged:
        counts["given_up"] += 1
        counts["kept_unacknowledged"] += bool(stored)
        return
    counts["acknowledged"] += 1
    counts["duplicates"] += len(sent.acknowledged) - 1
    if not stored:
        event_id = sent.acknowledged[0] or "no id"
        result.add_finding(
            "lost", sent.id, f"acknowledged as {event_id}, but the store has no such event"
        )
        return
    for event_id in dict.fromkeys(sent.acknowledged):
        if event_id and event_id not in {event.id for event in stored}:
            result.add_finding(
                "lost", sent.id, f"acknowledged as {event_id}, but stored as {stored[0].id}"
            )
    for event in stored:
        if event.body_sha256 != sent.sha256:
            result.add_finding(
                "altered", sent.id, f"the stored body of {event.id} differs from the sent body"
            )
        for route in routes_of(sent.type):
            if (event.id, route) not in index.deliveries:
                result.add_finding("lost", sent.id, f"{event.id} has no delivery for route {route}")


def _check_duplicates(index: RecordIndex, result: Account) -> None:
    for id_, stored in index.by_sender.items():
        if len(stored) > 1:
            result.add_finding("kept_twice", id_, ", ".join(event.id for event in stored))


def _check_start(start: Start, index: RecordIndex, result: Account) -> None:
    """Check that a start belongs to a stored event and to one of its deliveries."""
    result.counts["started"] += 1
    event = index.events.get(start.event_id)
    if event is None:
        result.add_finding(
            "ghost",
            start.event_id,
            f"started at {start.at:.3f} by route {start.route} for {start.id}",
        )
    elif event.provider_id != start.id:
        result.add_finding(
            "altered",
            start.event_id,
            f"started for {start.id}, but the event is {event.provider_id}",
        )
    elif (start.event_id, start.route) not in index.deliveries:
        result.add_finding(
            "ghost",
            start.event_id,
            f"started by route {start.route}, for which it has no delivery",
        )


def _check_leftovers(rows: StoreRows, kind: str, result: Account) -> None:
    """Check that no lease, slot, due poll, open attempt or unfinished local run is left."""
    # unsettled deliveries are findings already
    unsettled = {row.id for row in rows.deliveries if not is_settled(row)}
    for delivery in rows.deliveries:
        leftovers = [
            name
            for name, is_held in (
                ("a lease", delivery.lease),
                ("a slot", delivery.slot),
                ("a scheduled poll", delivery.poll_at is not None),
            )
            if is_held
        ]
        if leftovers and delivery.id not in unsettled:
            result.add_finding(
                kind,
                delivery.id,
                f"{delivery.status}, with {' and '.join(leftovers)}, route {delivery.route}",
            )
    for attempt in rows.attempts:
        if attempt.outcome is None and attempt.delivery_id not in unsettled:
            result.add_finding(
                kind, attempt.delivery_id, f"attempt {attempt.number} has no outcome"
            )
    keys: set[str] = set()
    for run in rows.runs:
        if run.state in ("QUEUED", "RUNNING", "TERMINATING"):
            result.add_finding(kind, run.id, f"a local run is {run.state}")
        if run.idempotency_key in keys:
            result.add_finding(
                "started_twice", run.id, f"another local run has the key {run.idempotency_key}"
            )
        keys |= {run.idempotency_key} if run.idempotency_key else set()
