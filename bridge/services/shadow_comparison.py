"""The deliveries of a shadow route beside those of the route that it may replace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bridge.core.errors import InvalidRequest
from bridge.core.json_differences import Difference
from bridge.core.model import JSON, DeadKind, Delivery, Status
from bridge.ingest.planned_deliveries import PlanChange, PlannedDelivery, compare_plans
from bridge.routing.model import Mode
from bridge.services.planned_configs import PlannedConfigs
from bridge.services.traffic_comparison import differences_json

if TYPE_CHECKING:
    from bridge.routing.model import Config
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters
    from bridge.store.queries.route_deliveries import RoutedEvent

MAX_TOP_PATHS: Final = 3
MAX_CACHED_HASHES: Final = 1000


class ShadowResult(StrEnum):
    """How the deliveries of an event through the two routes compare."""

    SAME = "same"
    DIFFERS = "differs"  #: other inputs, another flow or another key
    ONLY_NEW = "only_new"  #: only the shadow route has one
    ONLY_OLD = "only_old"  #: only the other route has one
    DEAD = "dead"  #: the shadow route's planning failed
    SKIPPED = "skipped"  #: it cannot be decrypted


@dataclass(frozen=True, slots=True)
class ShadowedEvent:
    """The comparison of one event."""

    event_id: str
    result: ShadowResult
    diff: Sequence[Difference] = ()
    reason: str | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return it in the shape of `shadow --json`."""
        return {
            "event_id": self.event_id,
            "result": self.result.value,
            "diff": differences_json(self.diff, self.reason),
        }


@dataclass(slots=True)
class ShadowSummary:
    """The counts of a comparison, the first event of each result, and the paths that differ."""

    counts: Counter[ShadowResult] = field(default_factory=Counter)
    examples: dict[ShadowResult, ShadowedEvent] = field(default_factory=dict)
    paths: Counter[str] = field(default_factory=Counter)

    def add(self, one: ShadowedEvent) -> None:
        """Count an event."""
        self.counts[one.result] += 1
        self.examples.setdefault(one.result, one)
        if one.result is ShadowResult.DIFFERS:
            self.paths.update(_top_path(each.path) for each in one.diff)

    def top_paths(self) -> str:
        """Return the paths that differ most often, with their counts."""
        shown = self.paths.most_common(MAX_TOP_PATHS)
        return ", ".join(f"{path} {count}" for path, count in shown)

    def as_json(self) -> dict[str, int]:
        """Return the counts in the shape of `shadow --json`."""
        return {one.value: self.counts[one] for one in ShadowResult}


def find_old_route(config: Config, new: str) -> str:
    """Return the route that a shadow route may replace: of the same source, and never a shadow.

    Of several, the one with the same flow. `InvalidRequest` where that is none or not one.
    """
    routes = [one for one in config.routes if one.name == new]
    if not routes:
        raise InvalidRequest(f"routes.yaml has no route {new!r}: name the other route too")
    others = [
        one
        for one in config.routes
        if one.source == routes[0].source and one.name != new and one.mode is not Mode.SHADOW
    ]
    flows = {one.flow.saved_item_id for one in routes}
    same_flow = dict.fromkeys(one.name for one in others if one.flow.saved_item_id in flows)
    names = list(same_flow) if len(same_flow) == 1 else list(dict.fromkeys(o.name for o in others))
    if len(names) != 1:
        raise InvalidRequest(
            f"name the route to compare {new!r} with: flowbridge shadow {new} OLD; routes of the"
            f" same source: {', '.join(names) or 'none'}"
        )
    return names[0]


def compare_shadow(
    database: Database, filters: Filters, new: str, old: str
) -> Iterator[ShadowedEvent]:
    """Yield the comparison of each event that either route has planned, newest first.

    An event that was planned before the new route existed is left out, unless it was replayed.
    """
    from bridge.store.queries.route_deliveries import read_routed_events

    planned = PlannedConfigs(database)
    has_new = lru_cache(MAX_CACHED_HASHES)(lambda config_hash: planned.has_route(config_hash, new))
    for event in read_routed_events(database, filters, [new, old]):
        found = _compare(event, new, old, has_new)
        if found is not None:
            yield found


def _compare(
    event: RoutedEvent, new: str, old: str, has_new: Callable[[str], bool]
) -> ShadowedEvent | None:
    if not event.is_readable:
        return ShadowedEvent(event.id, ShadowResult.SKIPPED)
    shadows = _newest(one for one in event.deliveries if one.route == new and _is_shadow(one))
    others = _newest(one for one in event.deliveries if one.route == old)
    if not shadows and (not others or not has_new(event.config_hash)):
        return None
    before = [_planned(one, old) for one in others]
    after = [_planned(one, old) for one in shadows]
    dead = next((one for one in after if one.is_dead), None)
    found = compare_plans(event.id, before, after).changes
    diff = [each for one in found for each in one.diff]
    if dead is not None and not all(one.is_dead for one in before):
        return ShadowedEvent(event.id, ShadowResult.DEAD, diff, dead.reason)
    kinds = {one.change for one in found}
    result = (
        ShadowResult.SAME
        if not kinds
        else ShadowResult.ONLY_NEW
        if kinds == {PlanChange.NEW}
        else ShadowResult.ONLY_OLD
        if kinds == {PlanChange.LOST}
        else ShadowResult.DIFFERS
    )
    return ShadowedEvent(event.id, result, diff)


def _newest(deliveries: Iterator[Delivery]) -> list[Delivery]:
    """Return the newest delivery to each flow: an event may have been replayed."""
    return list({(one.platform, one.saved_item_id): one for one in deliveries}.values())


def _is_shadow(one: Delivery) -> bool:
    """Return whether a delivery was planned by a shadow route: never sent, or dead at once."""
    is_parked = one.status is Status.DEAD and one.dead_kind is DeadKind.OURS and one.attempts == 0
    return one.status is Status.SHADOW or is_parked


def _planned(one: Delivery, route: str) -> PlannedDelivery:
    """Return the compared parts of a delivery, as if the route `route` had planned it to send."""
    is_parked = one.status is Status.DEAD and one.dead_kind is DeadKind.OURS
    planned = PlannedDelivery.of(one)
    status = Status.DEAD.value if is_parked else Status.QUEUED.value
    return replace(
        planned, route=route, status=status, reason=one.reason if is_parked else None, debounce=None
    )


def _top_path(path: str) -> str:
    """Return the first two steps of a pointer: `inputs/labels` for `/inputs/labels/0`."""
    return "/".join(path.split("/")[1:3])
