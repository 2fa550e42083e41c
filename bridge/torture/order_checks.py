"""Check the starts of a route against its `order_by` and its `max_concurrent_runs`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from bridge.store.queries.census import DeliveryRow
from bridge.torture.record_index import RecordIndex
from bridge.torture.records import Account, Start
from bridge.torture.scenarios import Scenario


def check_order(
    scenario: Scenario, deliveries: Iterable[DeliveryRow], index: RecordIndex, result: Account
) -> None:
    """Check that the runs of a key started one at a time, in the order of the events' commits."""
    by_key: dict[str, list[tuple[DeliveryRow, list[Start]]]] = defaultdict(list)
    for one in deliveries:
        if one.route == scenario.route and (starts := index.starts.get((one.event_id, one.route))):
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
    index: RecordIndex,
    result: Account,
) -> None:
    """Check at each start that no more than `cap` runs of the route were active."""
    runs = [
        (start.at, start.ended_at, one)
        for one in deliveries
        if one.route == scenario.route
        for start in index.starts.get((one.event_id, one.route), ())
        if start.ended_at and _was_followed(one, start)
    ]
    active: list[float] = []
    for at, ended, one in sorted(runs, key=lambda run: run[0]):
        active = [*(end for end in active if end > at), ended]
        if len(active) > cap:
            result.add_finding(
                "over_cap",
                one.id,
                f"started at {at:.3f} as number {len(active)}, but {scenario.route} allows {cap}",
            )


def _was_followed(one: DeliveryRow, start: Start) -> bool:
    """Whether the delivery recorded this run and polled it until it ended.

    False for a run whose answer was lost, and for one that was given up.
    """
    return start.run_id is not None and start.run_id == one.run_id and not one.reason
