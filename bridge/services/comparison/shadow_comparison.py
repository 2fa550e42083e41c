"""The deliveries of a shadow route beside those of the route that it may replace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bridge.core.json_values import Difference, write_json
from bridge.core.model import DeadKind, Delivery, Status
from bridge.ingest.planned_deliveries import PlanChange, PlannedDelivery, compare_plans
from bridge.services.comparison.shadow_pairs import ShadowResult
from bridge.services.planned_configs import PlannedConfigs
from bridge.services.records.comparison_records import SHADOWED_EVENT

if TYPE_CHECKING:
    from bridge.services.comparison.shadow_pairs import ShadowPair
    from bridge.store.db.database import Database
    from bridge.store.db.row_walk import Budget
    from bridge.store.queries.filters import Filters
    from bridge.store.queries.route_deliveries import RoutedEvent

MAX_CACHED_HASHES: Final = 1000
MAX_PAGE_EVENTS: Final = 2000  # that are compared for one page
MAX_PAGE_BYTES: Final = 1024 * 1024  # of the JSON of the events of one page


@dataclass(frozen=True, slots=True)
class ShadowedEvent:
    """The comparison of one event."""

    event_id: str
    result: ShadowResult
    diff: Sequence[Difference] = ()
    reason: str | None = None


@dataclass(slots=True)
class ShadowSummary:
    """The counts of a comparison, the first event of each result, and the paths that differ."""

    counts: Counter[ShadowResult] = field(default_factory=Counter)
    examples: dict[ShadowResult, ShadowedEvent] = field(default_factory=dict)
    paths: Counter[str] = field(default_factory=Counter)

    def add(self, event: ShadowedEvent) -> None:
        """Count an event."""
        self.counts[event.result] += 1
        self.examples.setdefault(event.result, event)
        if event.result is ShadowResult.DIFFERS:
            self.paths.update(_top_path(difference.path) for difference in event.diff)

    @property
    def example_ids(self) -> dict[str, str]:
        """The id of the first event of each result."""
        return {result.value: event.event_id for result, event in self.examples.items()}


@dataclass(frozen=True, slots=True)
class ShadowPage:
    """The comparison of some events, newest first.

    `events` are those with another result than `same`, `summary` has them all. `before`: the
    comparison continues below this number, null at its end; `looked_until`: if it does, the time of
    the oldest event that was looked at.
    """

    events: Sequence[ShadowedEvent]
    summary: ShadowSummary
    before: int | None
    looked_until: float | None


class ShadowComparison:
    """Compares the deliveries of two routes by event, a page at a time.

    An event that was planned before the new route existed is left out, unless it was replayed. So
    is one that the new route sent while it was live.
    """

    def __init__(self, database: Database, pair: ShadowPair) -> None:
        self._database = database
        self._pair = pair
        planned = PlannedConfigs(database)
        self._has_new = lru_cache(MAX_CACHED_HASHES)(
            lambda config_hash: planned.has_route(config_hash, pair.new)
        )

    def read_page(
        self,
        filters: Filters,
        before: int | None = None,
        *,
        limit: int = MAX_PAGE_EVENTS,
        budget: Budget | None = None,
        most_events: int = MAX_PAGE_EVENTS,
    ) -> ShadowPage:
        """Return the comparison of the newest events below the number `before`.

        It ends after `limit` events with another result than `same`, and after `most_events`.
        `budget`: how far and for how long it looks for events, and then for how long it compares.
        """
        from bridge.store.db.row_walk import Budget
        from bridge.store.queries.route_deliveries import read_routed_page

        limits = budget or Budget(seconds=self._database.timings.shadow_page_seconds)
        page = read_routed_page(
            self._database,
            filters,
            [self._pair.new, self._pair.live],
            most_events,
            before=before,
            budget=limits,
        )
        ends_at = limits.clock() + limits.seconds
        differing: list[ShadowedEvent] = []
        summary = ShadowSummary()
        size = 0
        at = page.before
        for event in page.events:
            shadowed = self._compare(event)
            if shadowed is not None:
                summary.add(shadowed)
            if shadowed is not None and shadowed.result is not ShadowResult.SAME:
                differing.append(shadowed)
                size += len(write_json(SHADOWED_EVENT.write(shadowed)))
            if len(differing) >= limit or size >= MAX_PAGE_BYTES or limits.clock() >= ends_at:
                at = event.number
                break
        return ShadowPage(differing, summary, at, self._find_age(at))

    def _find_age(self, number: int | None) -> float | None:
        from bridge.store.queries.route_deliveries import find_received_at

        return None if number is None else find_received_at(self._database, number)

    def _compare(self, event: RoutedEvent) -> ShadowedEvent | None:
        new, live = self._pair.new, self._pair.live
        if not event.is_readable:
            return ShadowedEvent(event.id, ShadowResult.SKIPPED)
        planned = [delivery for delivery in event.deliveries if delivery.route == new]
        shadows = _newest(delivery for delivery in planned if _is_shadow(delivery))
        others = _newest(delivery for delivery in event.deliveries if delivery.route == live)
        if not shadows and (planned or not others or not self._has_new(event.config_hash)):
            return None
        before = [_planned(delivery, live) for delivery in others]
        after = [_planned(delivery, live) for delivery in shadows]
        dead = next((delivery for delivery in after if delivery.is_dead), None)
        changes = compare_plans(event.id, before, after).changes
        diff = [difference for change in changes for difference in change.diff]
        if dead is not None and not all(delivery.is_dead for delivery in before):
            return ShadowedEvent(event.id, ShadowResult.DEAD, diff, dead.reason)
        return ShadowedEvent(event.id, _find_result({change.change for change in changes}), diff)


def _find_result(kinds: set[PlanChange]) -> ShadowResult:
    """Return the result of an event whose deliveries have these changes."""
    if not kinds:
        return ShadowResult.SAME
    alone = {PlanChange.NEW: ShadowResult.ONLY_NEW, PlanChange.LOST: ShadowResult.ONLY_OLD}
    return next((result for kind, result in alone.items() if kinds == {kind}), ShadowResult.DIFFERS)


def _newest(deliveries: Iterator[Delivery]) -> list[Delivery]:
    """Return the newest delivery to each flow: an event may have been replayed."""
    return list(
        {(delivery.platform, delivery.saved_item_id): delivery for delivery in deliveries}.values()
    )


def _is_shadow(delivery: Delivery) -> bool:
    """Return whether a delivery was planned by a shadow route: never sent, or dead at once."""
    is_parked = (
        delivery.status is Status.DEAD
        and delivery.dead_kind is DeadKind.OURS
        and delivery.attempts == 0
    )
    return delivery.status is Status.SHADOW or is_parked


def _planned(delivery: Delivery, route: str) -> PlannedDelivery:
    """Return the compared parts of a delivery, as if the route `route` had planned it to send."""
    is_parked = delivery.status is Status.DEAD and delivery.dead_kind is DeadKind.OURS
    planned = PlannedDelivery.of(delivery)
    status = Status.DEAD.value if is_parked else Status.QUEUED.value
    return replace(
        planned,
        route=route,
        status=status,
        reason=delivery.reason if is_parked else None,
        debounce=None,
    )


def _top_path(path: str) -> str:
    """Return the first two steps of a pointer: `inputs/labels` for `/inputs/labels/0`."""
    return "/".join(path.split("/")[1:3])
