"""Recorded events planned by two configurations: the comparison of each, and its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.core.errors import NotFound
from bridge.core.model import JSON, Event
from bridge.core.operations import NOW, THEN
from bridge.ingest.plan_comparison import compare_event
from bridge.ingest.planned_deliveries import (
    EventComparison,
    Incomparable,
    PlanChange,
    RouteChange,
)

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

NOT_USED_YET: Final = (
    "no configuration was used yet, so there is none to compare with: start `flowbridge serve`, or"
    " pass --against FILE"
)
#: What makes a test fail: the word, and the counts of the summary of which none may be above 0.
FAIL_COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "changed": ("changed", "new", "lost", "dead"),
    "lost": ("lost", "dead"),
    "dead": ("dead",),
    "never": (),
}
_COUNTED_ALONE: Final = frozenset({PlanChange.NEW, PlanChange.LOST, PlanChange.DEAD})

ConfigOf = Callable[[Event], "Config"]


@dataclass(slots=True)
class RouteTally:
    """The deliveries of one route by result, and the first change.

    `starts_less`: deliveries that were sent, and would not be sent any more.
    """

    route: str
    same: int = 0
    starts_less: int = 0
    changes: Counter[PlanChange] = field(default_factory=Counter)
    example: RouteChange | None = None

    @property
    def changed(self) -> int:
        """The number of changes that are neither new, lost nor dead."""
        return sum(count for change, count in self.changes.items() if change not in _COUNTED_ALONE)


@dataclass(slots=True)
class TrafficSummary:
    """The counts of a comparison: events, deliveries by route, and events left out by reason."""

    events: int = 0
    routes: dict[str, RouteTally] = field(default_factory=dict)
    skipped: Counter[Incomparable] = field(default_factory=Counter)

    def add(self, comparison: EventComparison) -> None:
        """Count the comparison of one event."""
        self.events += 1
        if comparison.incomparable is not None:
            self.skipped[comparison.incomparable] += 1
        for route in comparison.same:
            self.routes.setdefault(route, RouteTally(route)).same += 1
        for change in comparison.changes:
            tally = self.routes.setdefault(change.route, RouteTally(change.route))
            tally.changes[change.change] += 1
            tally.example = tally.example or change
            tally.starts_less += change.starts_less

    @property
    def starts_less(self) -> int:
        """The number of deliveries that were sent, and would not be sent any more."""
        return sum(tally.starts_less for tally in self.routes.values())

    @property
    def same(self) -> int:
        """The number of deliveries that are the same."""
        return sum(tally.same for tally in self.routes.values())

    @property
    def changed(self) -> int:
        """The number of changes that are neither new, lost nor dead."""
        return sum(tally.changed for tally in self.routes.values())

    @property
    def changes(self) -> Counter[PlanChange]:
        """The number of deliveries by their change."""
        return sum((tally.changes for tally in self.routes.values()), Counter())


def does_fail(counts: Mapping[str, JSON], fail_on: str) -> bool:
    """Return whether a test with these counts and this word of `FAIL_COUNTS` fails."""
    return any(counts[name] for name in FAIL_COUNTS[fail_on])


def compare_recorded(
    database: Database, filters: Filters, before: ConfigOf, after: Config, limit: int = 0
) -> Iterator[EventComparison]:
    """Yield the comparison of each stored event that matches, newest first.

    `before` returns the configuration that an event is compared with, and raises `NotFound` where
    there is none.
    """
    from bridge.store.queries.recorded_events import UnreadableEvent, read_events

    for event in read_events(database, filters, limit):
        if isinstance(event, UnreadableEvent):
            yield EventComparison(event.id, incomparable=Incomparable.ENCRYPTED)
            continue
        try:
            earlier = before(event)
        except NotFound:
            yield EventComparison(event.id, incomparable=Incomparable.NO_CONFIG)
            continue
        yield compare_event(event, earlier, after)


def find_compared_config(settings: Settings, database: Database, against: str) -> ConfigOf:
    """Return the function that gives the configuration to compare with.

    `against`: `now`, which bridges use, `then`, which planned each event, or a file. `NotFound`
    where no configuration was used yet, `ConfigError` for a file that cannot be used.
    """
    from bridge.monitoring.active_config import find_last_valid
    from bridge.services.operations.handlers import find_stored_configs

    if against == THEN:
        return find_stored_configs(database, settings)
    if against != NOW:
        other = load_routes(settings, Path(against))
        return lambda _: other
    used = find_last_valid(settings, database)
    if used is None:
        raise NotFound(NOT_USED_YET)
    return lambda _: used


def load_routes(settings: Settings, file: Path | None) -> Config:
    """Return the configuration of a file, or of the present one, without secrets that are not set.

    Raises `ConfigError` where it cannot be used.
    """
    from bridge.config.loader import load

    return load(file or settings.config, settings.environ, strict_secrets=False)


def summarize(comparisons: Iterable[EventComparison]) -> TrafficSummary:
    """Return the summary of comparisons."""
    summary = TrafficSummary()
    for comparison in comparisons:
        summary.add(comparison)
    return summary
