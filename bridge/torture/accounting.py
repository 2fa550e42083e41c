"""Compare the sent events, the store's rows and the executed starts. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.store.queries.census import StoreRows
from bridge.torture.delivery_checks import check_delivery, count_reconciled, is_settled
from bridge.torture.order_checks import check_cap, check_order
from bridge.torture.record_index import RecordIndex, index_records
from bridge.torture.records import Account, SentEvent, Start
from bridge.torture.scenarios import SCENARIOS, Scenario, routes_of


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
    for each in sent:
        _check_sent(each, index, result)
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
    unsettled = {one.id for one in rows.deliveries if not is_settled(one)}
    for one in rows.deliveries:
        held = [
            name
            for name, is_held in (
                ("a lease", one.lease),
                ("a slot", one.slot),
                ("a scheduled poll", one.poll_at is not None),
            )
            if is_held
        ]
        if held and one.id not in unsettled:
            result.add_finding(
                kind, one.id, f"{one.status}, with {' and '.join(held)}, route {one.route}"
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
