"""The reckoning: what was sent, what the store has, and what was really started, held against each
other. No I/O, no clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from bridge.delivery.reconcile_verdict import CLOCK_STEPPED, NOT_COMPARABLE
from bridge.store.queries.census import AttemptRow, DeliveryRow, EventRow, StoreRows
from bridge.store.queue import reconcile
from bridge.torture.records import Account, SentEvent, Start
from bridge.torture.scenarios import SCENARIOS, SOURCE_NAME, Scenario, routes_of


@dataclass(slots=True)
class Records:
    """The rows, looked up by what they are asked for."""

    scenarios: dict[str, Scenario]
    events: dict[str, EventRow]
    by_sender: dict[str, list[EventRow]]
    deliveries: dict[tuple[str, str], DeliveryRow]  # by event id and route
    by_id: dict[str, DeliveryRow]
    attempts: dict[str, list[AttemptRow]]
    starts: dict[tuple[str, str], list[Start]]  # the same key as deliveries


def account_for_events(
    sent: Sequence[SentEvent],
    rows: StoreRows,
    starts: Sequence[Start],
    *,
    ended: bool = True,
    scenarios: Sequence[Scenario] = SCENARIOS,
) -> Account:
    """Return what became of everything. `starts` come in the order in which they happened.

    `ended`: the bridge had come to rest and was stopped in order, so nothing may be held on to;
    else it was cut off.
    """
    result = Account()
    ledger = index_records(scenarios, rows, starts)
    for each in sent:
        check_sent(each, ledger, result)
    for one in rows.deliveries:
        check_delivery(one, ledger, result)
        count_reconciled(one, ledger, result)
    for start in starts:
        check_start(start, ledger, result)
    check_duplicates(ledger, result)
    check_leftovers(rows, "stuck" if ended else "unsettled", result)
    for scenario in scenarios:
        if scenario.ordered:
            check_order(scenario, rows.deliveries, ledger, result)
        if scenario.cap is not None:
            check_cap(scenario, scenario.cap, rows.deliveries, ledger, result)
    return result


def index_records(
    scenarios: Iterable[Scenario], rows: StoreRows, starts: Iterable[Start]
) -> Records:
    by_sender = defaultdict(list)
    attempts = defaultdict(list)
    started = defaultdict(list)
    for event in rows.events:
        if event.source == SOURCE_NAME and event.provider_id is not None:
            by_sender[event.provider_id].append(event)
    for attempt in rows.attempts:
        attempts[attempt.delivery_id].append(attempt)
    for start in starts:
        started[start.event_id, start.route].append(start)
    deliveries = {(each.event_id, each.route): each for each in rows.deliveries}
    by_id = {each.id: each for each in rows.deliveries}
    events = {event.id: event for event in rows.events}
    return Records(
        {scenario.route: scenario for scenario in scenarios},
        events,
        by_sender,
        deliveries,
        by_id,
        attempts,
        started,
    )


# -- what the sender knows


def check_sent(sent: SentEvent, ledger: Records, result: Account) -> None:
    """An acknowledged event is there, whole, under the id that was told, with a delivery by each
    route.
    """
    counts = result.counts
    kept = ledger.by_sender.get(sent.id, [])
    counts["posted"] += sent.tries
    counts["refused"] += sent.refused
    counts["unanswered"] += sent.unanswered
    if sent.forged:
        counts["forged"] += 1
        if kept or sent.acknowledged:
            result.add_finding(
                "forged", sent.id, f"event {kept[0].id}" if kept else "it was acknowledged"
            )
        return
    counts["events"] += 1
    if not sent.acknowledged:
        counts["given_up"] += 1
        counts["kept_unacknowledged"] += bool(kept)
        return
    counts["acknowledged"] += 1
    counts["duplicates"] += len(sent.acknowledged) - 1
    if not kept:
        told = sent.acknowledged[0] or "no id"
        result.add_finding(
            "lost", sent.id, f"acknowledged as {told}, and the store has no such event"
        )
        return
    for told in dict.fromkeys(sent.acknowledged):
        if told and told not in {event.id for event in kept}:
            result.add_finding(
                "lost", sent.id, f"acknowledged as {told}, and the store has it as {kept[0].id}"
            )
    for event in kept:
        if event.body_sha256 != sent.sha256:
            result.add_finding(
                "altered", sent.id, f"the body of {event.id} is not the one that was sent"
            )
        for route in routes_of(sent.type):
            if (event.id, route) not in ledger.deliveries:
                result.add_finding("lost", sent.id, f"{event.id} has no delivery by {route}")


def check_duplicates(ledger: Records, result: Account) -> None:
    for id_, kept in ledger.by_sender.items():
        if len(kept) > 1:
            result.add_finding("kept_twice", id_, ", ".join(event.id for event in kept))


# -- what became of each delivery


def check_delivery(one: DeliveryRow, ledger: Records, result: Account) -> None:
    """Each delivery stands somewhere, and what was started of it is what its route allows."""
    scenario = ledger.scenarios.get(one.route)
    starts = ledger.starts.get((one.event_id, one.route), [])
    result.statuses[one.status] += 1
    if scenario is None:
        result.add_finding("altered", one.id, f"no route is called {one.route}")
        return
    if one.event_id not in ledger.events:
        result.add_finding("lost", one.id, f"its event {one.event_id} is not in the store")
    _STATUS_CHECKS.get(one.status, _check_waiting)(one, starts, ledger, result)
    _check_repeats(one, scenario, starts, ledger.attempts.get(one.id, []), result)


def _check_waiting(
    one: DeliveryRow, _starts: Sequence[Start], _ledger: Records, result: Account
) -> None:
    result.add_finding(
        "unsettled", one.id, f"{one.status} ({one.reason or 'no reason'}), by {one.route}"
    )


def _check_delivered(
    one: DeliveryRow, starts: Sequence[Start], _ledger: Records, result: Account
) -> None:
    if not starts and (one.platform != "local" or one.run_state == "done"):
        result.add_finding(
            "lost", one.id, f"delivered by {one.route}, and never started: run {one.run_id}"
        )
    elif one.platform == "gumloop" and one.run_id not in {start.run_id for start in starts}:
        result.add_finding(
            "altered",
            one.id,
            f"delivered as run {one.run_id}, and started as"
            f" {', '.join(str(start.run_id) for start in starts)}",
        )


def _count_unknown(
    one: DeliveryRow, starts: Sequence[Start], _ledger: Records, result: Account
) -> None:
    result.counts["held"] += 1
    result.counts["held_started"] += bool(starts)
    result.counts["held_clock"] += (one.reason or "").startswith((CLOCK_STEPPED, NOT_COMPARABLE))


def _check_dead(
    one: DeliveryRow, _starts: Sequence[Start], _ledger: Records, result: Account
) -> None:
    if not one.reason:
        result.add_finding("lost", one.id, f"dead without a reason, by {one.route}")
    result.dead[one.reason or "no reason"] += 1


def _check_cancelled(
    one: DeliveryRow, starts: Sequence[Start], ledger: Records, result: Account
) -> None:
    """Nobody cancels anything here: it was merged into a later one of its route, which stands for
    it.
    """
    later = ledger.by_id.get(one.merged_into or "")
    if later is None or later.route != one.route or later.seq <= one.seq:
        result.add_finding(
            "lost",
            one.id,
            f"cancelled, and merged into {one.merged_into or 'nothing'}, by {one.route}",
        )
    elif starts:
        result.add_finding(
            "started_twice",
            one.id,
            f"started, though it was merged into {one.merged_into}: {_format_starts(starts)}",
        )
    result.counts["merged"] += 1


_STATUS_CHECKS: Final[
    Mapping[str, Callable[[DeliveryRow, Sequence[Start], Records, Account], Any]]
] = {
    "delivered": _check_delivered,
    "unknown": _count_unknown,
    "dead": _check_dead,
    "cancelled": _check_cancelled,
    "shadow": lambda *_: None,
}


def _check_repeats(
    one: DeliveryRow,
    scenario: Scenario,
    starts: Sequence[Start],
    attempts: Sequence[AttemptRow],
    result: Account,
) -> None:
    """A start more than one is allowed only for an attempt whose outcome was unknown, on a route
    that says so, under the same key.
    """
    expected = {"live": None, "shadow": ("shadow",), "parked": ("dead",)}[scenario.mode]
    if expected is not None:
        if one.status not in expected:
            result.add_finding(
                "altered", one.id, f"{one.status}, and {one.route} is {scenario.mode}"
            )
        if starts:
            result.add_finding(
                "started_twice",
                one.id,
                f"started {len(starts)} times, and {one.route} is {scenario.mode}: {_format_starts(starts)}",
            )
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
            f"started {len(starts)} times by {one.route} (on_unknown: {scenario.on_unknown}), allowed"
            f" {allowed}: {_format_starts(starts)}"
        )
        result.add_finding("started_twice", one.id, text)
    elif scenario.platform == "http" and {start.idempotency_key for start in starts} != {one.id}:
        result.add_finding(
            "started_twice",
            one.id,
            f"started again under another Idempotency-Key: {_format_starts(starts)}",
        )
    else:
        result.counts["repeated_as_declared"] += len(starts) - 1 - failed


def count_reconciled(one: DeliveryRow, ledger: Records, result: Account) -> None:
    """Count what came of looking for the runs of starts without an answer."""
    scenario = ledger.scenarios.get(one.route)
    details = [attempt.detail or "" for attempt in ledger.attempts.get(one.id, ())]
    if scenario is not None and scenario.on_unknown == "reconcile":
        result.counts["reconciled_adopted"] += sum(
            detail.endswith(reconcile.RUN_FOUND) for detail in details
        )
        result.counts["reconciled_queued_again"] += sum(
            detail.endswith(reconcile.RUN_NOT_FOUND) for detail in details
        )
        result.counts["reconciled_held"] += one.status == "unknown"


def _format_starts(starts: Sequence[Start]) -> str:
    return "; ".join(
        f"{start.at:.3f} {start.run_id or start.idempotency_key or ''} ({start.fault})"
        for start in starts[:5]
    )


def check_start(start: Start, ledger: Records, result: Account) -> None:
    """Each start belongs to an event that is in the store."""
    result.counts["started"] += 1
    event = ledger.events.get(start.event_id)
    if event is None:
        result.add_finding(
            "ghost", start.event_id, f"started at {start.at:.3f} by {start.route} for {start.id}"
        )
    elif event.provider_id != start.id:
        result.add_finding(
            "altered",
            start.event_id,
            f"started for {start.id}, and the event is {event.provider_id}",
        )
    elif (start.event_id, start.route) not in ledger.deliveries:
        result.add_finding(
            "ghost", start.event_id, f"started by {start.route}, by which it has no delivery"
        )


def check_leftovers(rows: StoreRows, kind: str, result: Account) -> None:
    """Nothing is held on to when nobody is there: no lease, no slot, no run to look at, no attempt
    without an outcome.
    """
    # they are unsettled anyway
    waiting = {one.id for one in rows.deliveries if one.status not in _STATUS_CHECKS}
    for one in rows.deliveries:
        held = [
            word
            for word, it_is in (
                ("a lease", one.lease),
                ("a slot", one.slot),
                ("a look", one.poll_at is not None),
            )
            if it_is
        ]
        if held and one.id not in waiting:
            result.add_finding(
                kind, one.id, f"{one.status}, with {' and '.join(held)}, by {one.route}"
            )
    for attempt in rows.attempts:
        if attempt.outcome is None and attempt.delivery_id not in waiting:
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


def check_order(
    scenario: Scenario, deliveries: Iterable[DeliveryRow], ledger: Records, result: Account
) -> None:
    """For each key the first starts come in the order of the events' commits, each after the end of
    the run before.
    """
    by_key: dict[str, list[tuple[DeliveryRow, list[Start]]]] = defaultdict(list)
    for one in deliveries:
        if one.route == scenario.route and (starts := ledger.starts.get((one.event_id, one.route))):
            by_key[starts[0].key].append((one, starts))
    for key, started in by_key.items():
        for (one, first), (after, then) in pairwise(started):
            ended = max(
                (start.ended_at or 0.0 for start in first if _was_followed(one, start)), default=0.0
            )
            if then[0].at < first[0].at:
                result.add_finding(
                    "out_of_order",
                    after.id,
                    f"key {key}: started at {then[0].at:.3f}, and {one.id} at {first[0].at:.3f}",
                )
            elif then[0].at < ended:
                result.add_finding(
                    "out_of_order",
                    after.id,
                    f"key {key}: started {ended - then[0].at:.3f} s before the run of {one.id}"
                    " ended",
                )
            result.counts["in_order"] += 1


def check_cap(
    scenario: Scenario,
    cap: int,
    deliveries: Iterable[DeliveryRow],
    ledger: Records,
    result: Account,
) -> None:
    """At no start are more runs of the route going on than it allows."""
    runs = [
        (start.at, start.ended_at, one)
        for one in deliveries
        if one.route == scenario.route
        for start in ledger.starts.get((one.event_id, one.route), ())
        if start.ended_at and _was_followed(one, start)
    ]
    going: list[float] = []
    for at, ended, one in sorted(runs, key=lambda run: run[0]):
        going = [*(end for end in going if end > at), ended]
        if len(going) > cap:
            result.add_finding(
                "over_cap",
                one.id,
                f"started at {at:.3f} as number {len(going)}, and {scenario.route} allows {cap}",
            )


def _was_followed(one: DeliveryRow, start: Start) -> bool:
    """Whether that is the run that the delivery has, and was seen to its end: not one whose answer
    was lost, or that was given up.
    """
    return start.run_id is not None and start.run_id == one.run_id and not one.reason
