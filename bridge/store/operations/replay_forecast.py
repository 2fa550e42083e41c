"""The forecast of a replay: which events it routes again, which not, and why. Stores nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bridge.store.db.database import Database
from bridge.store.operations.log import BATCH_ITEMS
from bridge.store.operations.replay import ReplayHandler, ReplayPlan


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected result of a replay.

    `ids`: the events that change. `left_out`: how many others there are, by reason. `refused`: how
    many of `ids` start no flow, by reason: their deliveries are dead at once, or only their problem
    changes. `by_route` and `by_status`: how many deliveries they make. `skipped`: how many of `ids`
    have other deliveries of a route through which they are not planned.
    """

    ids: Sequence[str]
    left_out: Mapping[str, int]
    refused: Mapping[str, int]
    by_route: Mapping[str, int]
    by_status: Mapping[str, int]
    skipped: Mapping[str, int]


def forecast_replay(
    database: Database,
    replaying: ReplayHandler,
    ids: Sequence[str],
    now: float,
    advance: Callable[[int], object] = lambda _: None,
) -> Forecast:
    """Route events as a replay does, and return the expected result.

    `advance` receives the number of events routed.
    """
    included: list[str] = []
    left_out: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    routes: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    at = 0
    while at < len(ids):
        planned = replaying.prepare(database, ids[at : at + BATCH_ITEMS], now)
        for plan in planned:
            if plan.problem is not None and not _stores(plan):
                left_out[plan.problem] += 1
                continue
            included.append(plan.id)
            skipped.update(plan.skipped)
            routes.update(delivery.route for delivery in plan.deliveries)
            statuses.update(delivery.status.value for delivery in plan.deliveries)
            if plan.problem is not None:
                refused[plan.problem] += 1
        at += len(planned)
        advance(len(planned))
    return Forecast(included, left_out, refused, routes, statuses, skipped)


def _stores(plan: ReplayPlan) -> bool:
    """Return whether a replay of the event stores deliveries or another problem."""
    return bool(plan.deliveries) or (
        plan.known is not None and plan.kept_problem != plan.known.problem
    )
