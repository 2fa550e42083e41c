"""Comparisons as JSON: of what two configurations plan, and of two routes. Pure.

Differences quote payloads, so that they are written for readers of contents alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import orjson

from bridge.core.json_values import Difference
from bridge.core.model import JSON, DeadKind
from bridge.ingest.planned_deliveries import PlanChange, RouteChange
from bridge.routing.model import Mode
from bridge.services.comparison.shadow_pairs import ShadowResult
from bridge.services.records.delivery_records import find_label
from bridge.services.records.json_record import (
    ANY,
    COUNT,
    COUNT_BY_NAME,
    FLAG,
    NAME,
    NAME_OR_NULL,
    TEXT,
    TEXT_BY_NAME,
    TEXT_OR_NULL,
    TIME_OR_NULL,
    JsonRecord,
    Key,
    ValueType,
    list_of,
    public,
    to_null,
    unparsed,
    word_of,
)

if TYPE_CHECKING:
    from bridge.services.comparison.traffic_comparison import RouteTally, TrafficSummary

MAX_VALUE_CHARS: Final = 10_000  # of the JSON of a value in a difference


def _shorten(value: JSON) -> JSON:
    """Return a value of a difference; one that is long is replaced by its length."""
    try:
        size = len(orjson.dumps(value).decode())
    except TypeError:
        return "(nested too deep, or not valid Unicode: left out)"
    return value if size <= MAX_VALUE_CHARS else f"({size:,} characters of JSON: left out)"


_VALUE: Final = ValueType(ANY.schema, _shorten)
DIFFERENCE: Final[JsonRecord[Difference]] = JsonRecord(
    "",
    unparsed,
    Key("op", TEXT),
    Key("path", TEXT),
    Key("before", _VALUE),
    Key("after", _VALUE),
    needs_contents=True,
)


def _list_differences(change: Any) -> Iterable[Difference]:
    """Return the differences of a change, with its reason as the last one if they lack it."""
    diff: Sequence[Difference] = change.diff
    if change.reason is None or any(difference.path == "/reason" for difference in diff):
        return diff
    return [*diff, Difference("add", "/reason", None, change.reason)]


_DIFFERENCES: Final = list_of(DIFFERENCE.type)
#: A change between what two configurations plan for an event.
ROUTE_CHANGE: Final[JsonRecord[RouteChange]] = JsonRecord(
    "",
    unparsed,
    Key("event_id", NAME),
    Key("route", NAME),
    Key("change", word_of(PlanChange, PlanChange)),
    Key("diff", _DIFFERENCES, get=_list_differences),
    needs_contents=True,
)
#: Deliveries by what becomes of them, written from a `RouteTally` or the sums of all routes.
_COUNTS: Final = (
    Key("same", COUNT),
    Key("changed", COUNT),
    Key("new", COUNT, get=lambda tally: tally.changes[PlanChange.NEW]),
    Key("lost", COUNT, get=lambda tally: tally.changes[PlanChange.LOST]),
    Key("dead", COUNT, get=lambda tally: tally.changes[PlanChange.DEAD]),
)
#: `skipped` are events, the others deliveries.
TRAFFIC_COUNTS: Final[JsonRecord[TrafficSummary]] = JsonRecord(
    "", unparsed, *_COUNTS, Key("skipped", COUNT, get=lambda summary: summary.skipped.total())
)
#: The counts of a route and its first change with the reason, both null where none changed.
ROUTE_TALLY: Final[JsonRecord[RouteTally]] = JsonRecord(
    "",
    unparsed,
    Key("route", NAME),
    *_COUNTS,
    Key("example", ROUTE_CHANGE.type.or_null()),
    Key("reason", TEXT_OR_NULL, get=lambda tally: tally.example and tally.example.reason),
    needs_contents=True,
)
#: All that `test` prints for people; the routes with changes come first. `skipped`: by reason.
TRAFFIC: Final[JsonRecord[TrafficSummary]] = JsonRecord(
    "",
    unparsed,
    Key("events", COUNT),
    Key("summary", TRAFFIC_COUNTS.type, get=lambda summary: summary),
    Key(
        "routes",
        list_of(ROUTE_TALLY.type),
        get=lambda summary: sorted(summary.routes.values(), key=lambda tally: not tally.changes),
    ),
    Key(
        "skipped",
        COUNT_BY_NAME,
        get=lambda summary: ((word.value, count) for word, count in summary.skipped.most_common()),
    ),
    needs_contents=True,
)
#: Written from a `ShadowedEvent`.
SHADOWED_EVENT: Final[JsonRecord[Any]] = JsonRecord(
    "ShadowedEvent",
    unparsed,
    Key("event_id", NAME),
    Key("result", word_of(ShadowResult, ShadowResult)),
    Key("diff", _DIFFERENCES.or_null(), get=_list_differences, hide=to_null),
    Key("reason", TEXT_OR_NULL, hide=lambda reason, _: find_label(reason, DeadKind.OURS)),
)


def _counter_of(result: ShadowResult) -> Callable[[Any], int]:
    return lambda summary: summary.counts[result]


SHADOW_SUMMARY: Final[JsonRecord[Any]] = JsonRecord(
    "",
    unparsed,
    *(Key(result, COUNT, get=_counter_of(result)) for result in ShadowResult),
)
#: Written from a `ShadowPage`; `examples` has the first event of each result.
SHADOW_PAGE: Final[JsonRecord[Any]] = JsonRecord(
    "ShadowedEventList",
    unparsed,
    Key("route", NAME, is_given=True),
    Key("live", NAME, is_given=True),
    Key("mode", word_of(Mode, Mode).or_null(), is_given=True),
    Key("items", list_of(SHADOWED_EVENT.type), get=attrgetter("events")),
    Key("summary", SHADOW_SUMMARY.type),
    Key("examples", public(TEXT_BY_NAME), get=attrgetter("summary.example_ids")),
    Key("paths", COUNT_BY_NAME, get=attrgetter("summary.paths"), hide=lambda *_: {}),
    Key("next", NAME_OR_NULL, is_given=True),
    Key("complete", FLAG, get=lambda page: page.before is None),
    Key("looked_until", TIME_OR_NULL),
)
