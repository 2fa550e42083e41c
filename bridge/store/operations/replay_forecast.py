"""Plan a replay without storing anything: which events it plans again, and which not, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bridge.store.db.database import Database
from bridge.store.operations.log import TOGETHER
from bridge.store.operations.replay import Replaying, ReplayPlan


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a replay of some events would come to.

    `ids`: the events for which it stores something. `left_out`: by reason, how many of the others
    there are. `refused`: by reason, how many of `ids` it starts nothing for: their deliveries are
    dead at once, or only their problem changes.
    """

    ids: Sequence[str]
    left_out: Mapping[str, int]
    refused: Mapping[str, int]


def forecast_replay(
    database: Database,
    replaying: Replaying,
    ids: Sequence[str],
    now: float,
    advance: Callable[[int], object] = lambda _: None,
) -> Forecast:
    """Plan events as a replay does, and return what it would come to. `advance` gets how many more
    were planned.
    """
    chosen: list[str] = []
    left_out: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    at = 0
    while at < len(ids):
        planned = replaying.prepare(database, ids[at : at + TOGETHER], now)
        for one in planned:
            if one.problem is not None and not _stores(one):
                left_out[one.problem] += 1
                continue
            chosen.append(one.id)
            if one.problem is not None:
                refused[one.problem] += 1
        at += len(planned)
        advance(len(planned))
    return Forecast(chosen, left_out, refused)


def _stores(one: ReplayPlan) -> bool:
    """Tell whether a replay of the event stores anything: deliveries, or another problem."""
    return bool(one.deliveries) or (one.known is not None and one.kept_problem != one.known.problem)
