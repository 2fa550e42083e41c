"""Recorded events planned by two configurations: the comparison of each, and its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from bridge.core.errors import NotFound
from bridge.core.json_differences import Difference
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
MAX_VALUE_CHARS: Final = 10_000  # of the JSON of a value in a difference
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

    same: int = 0
    starts_less: int = 0
    changes: Counter[PlanChange] = field(default_factory=Counter)
    example: RouteChange | None = None

    @property
    def changed(self) -> int:
        """The number of changes that are neither new, lost nor dead."""
        return sum(count for change, count in self.changes.items() if change not in _COUNTED_ALONE)

    def as_json(self, route: str) -> dict[str, JSON]:
        """Return the counts, and the first change with its reason, both null where none changed."""
        return {
            "route": route,
            "same": self.same,
            "changed": self.changed,
            **{one.value: self.changes[one] for one in PlanChange if one in _COUNTED_ALONE},
            "example": None if self.example is None else change_json(self.example),
            "reason": None if self.example is None else self.example.reason,
        }


@dataclass(slots=True)
class TrafficSummary:
    """The counts of a comparison: events, deliveries by route, and events left out by reason."""

    events: int = 0
    routes: dict[str, RouteTally] = field(default_factory=dict)
    skipped: Counter[Incomparable] = field(default_factory=Counter)

    def add(self, found: EventComparison) -> None:
        """Count the comparison of one event."""
        self.events += 1
        if found.incomparable is not None:
            self.skipped[found.incomparable] += 1
        for route in found.same:
            self.routes.setdefault(route, RouteTally()).same += 1
        for one in found.changes:
            tally = self.routes.setdefault(one.route, RouteTally())
            tally.changes[one.change] += 1
            tally.example = tally.example or one
            tally.starts_less += one.starts_less

    @property
    def starts_less(self) -> int:
        """The number of deliveries that were sent, and would not be sent any more."""
        return sum(one.starts_less for one in self.routes.values())

    def count(self, change: PlanChange) -> int:
        """Return how many deliveries have this change."""
        return sum(one.changes[change] for one in self.routes.values())

    def as_json(self) -> dict[str, int]:
        """Return the counts in the shape of `test --json`. `skipped` are events, the others
        deliveries.
        """
        return {
            "same": sum(one.same for one in self.routes.values()),
            "changed": sum(one.changed for one in self.routes.values()),
            **{
                change.value: self.count(change)
                for change in PlanChange
                if change in _COUNTED_ALONE
            },
            "skipped": self.skipped.total(),
        }

    def report_json(self) -> dict[str, JSON]:
        """Return all that `test` prints for people: the counts, by route too, changed ones first.

        `skipped` counts events by reason.
        """
        rows = sorted(self.routes.items(), key=lambda pair: not pair[1].changes)
        return {
            "events": self.events,
            "summary": dict(self.as_json()),
            "routes": [one.as_json(route) for route, one in rows],
            "skipped": {reason.value: count for reason, count in self.skipped.most_common()},
        }


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
    from bridge.services.operation_kinds import find_stored_configs

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


def summarize(found: Iterable[EventComparison]) -> TrafficSummary:
    """Return the summary of comparisons."""
    summary = TrafficSummary()
    for one in found:
        summary.add(one)
    return summary


def change_json(one: RouteChange) -> dict[str, JSON]:
    """Return a change in the shape of `test --json`. A long value is replaced by its length."""
    return {
        "event_id": one.event_id,
        "route": one.route,
        "change": one.change.value,
        "diff": differences_json(one.diff, one.reason),
    }


def differences_json(diff: Iterable[Difference], reason: str | None) -> JSON:
    """Return differences as JSON, with the reason as the last one if they lack it."""
    found = list(diff)
    if reason is not None and all(each.path != "/reason" for each in found):
        found.append(Difference("add", "/reason", None, reason))
    return [
        {
            "op": each.op,
            "path": each.path,
            "before": _shorten(each.before),
            "after": _shorten(each.after),
        }
        for each in found
    ]


def _shorten(value: JSON) -> JSON:
    try:
        size = len(orjson.dumps(value).decode())
    except TypeError:
        return "(nested too deep, or not valid Unicode: left out)"
    return value if size <= MAX_VALUE_CHARS else f"({size:,} characters of JSON: left out)"
