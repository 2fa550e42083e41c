"""What was found in many records as JSON: causes, trends, types, search results. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Final

from bridge.routing.schemas import drift
from bridge.services.records.delivery_records import DEAD_KIND
from bridge.services.records.json_record import (
    COUNT,
    COUNT_BY_NAME,
    FLAG,
    NAME,
    NAME_OR_NULL,
    NAMES,
    NO_LIMIT,
    NO_NEXT,
    NUMBER,
    OBJECT,
    OWN_TEXT,
    TEXT,
    TEXT_BY_NAME,
    TEXTS,
    TIME,
    TIME_OR_NULL,
    JsonRecord,
    Key,
    as_written,
    list_of,
    public,
    unparsed,
    word_of,
)

if TYPE_CHECKING:
    from bridge.routing.schemas.drift import SchemaChange
    from bridge.services.dead_causes import CauseGroup, CauseReport
    from bridge.services.events.event_types import InferredSchema
    from bridge.services.record_search import FoundRecord
    from bridge.store.queries.event_types import TypeCount, TypeCounts

_NUMBER_OR_NULL: Final = NUMBER.or_null()
#: How far a search looked; both are written from `read_until`, None if it looked at all.
EXTENT: Final = (
    Key("complete", FLAG, get=lambda report: report.read_until is None),
    Key("looked_until", TIME_OR_NULL, get=attrgetter("read_until")),
)

CAUSE_EXAMPLE: Final[JsonRecord[CauseGroup]] = JsonRecord(
    "", unparsed, Key("delivery_id", NAME), Key("event_id", NAME), Key("route", NAME)
)
#: The dead deliveries of one cause; `example` died last.
CAUSE: Final[JsonRecord[CauseGroup]] = JsonRecord(
    "Cause",
    unparsed,
    Key("key", NAME, get=attrgetter("cause.key")),
    Key("summary", OWN_TEXT, get=attrgetter("cause.label")),
    Key("dead_kind", DEAD_KIND),
    Key("count", COUNT),
    Key("replayed", COUNT),
    Key("first_at", TIME),
    Key("last_at", TIME),
    Key("example", CAUSE_EXAMPLE.type, get=lambda group: group),
    Key("what_to_do", OWN_TEXT, get=attrgetter("cause.advice")),
    Key("routes", NAMES),
)

SERIES: Final[JsonRecord[tuple[Mapping[str, str], float]]] = JsonRecord(
    "",
    unparsed,
    Key("labels", public(TEXT_BY_NAME), get=itemgetter(0)),
    Key("value", NUMBER, get=itemgetter(1)),
)
#: Written from a `CauseReport`.
CAUSES: Final[JsonRecord[CauseReport]] = JsonRecord(
    "CauseList", unparsed, Key("items", list_of(CAUSE.type), "groups"), NO_NEXT, *EXTENT
)
#: Written from a `TrendPoint`. `series`: pairs of labels and a value. `step`: seconds.
TREND_POINT: Final[JsonRecord[Any]] = JsonRecord(
    "TrendPoint",
    unparsed,
    Key("name", NAME, is_given=True),
    Key("at", TIME),
    Key("step", COUNT, is_given=True),
    Key("value", NUMBER),
    Key("p50", _NUMBER_OR_NULL),
    Key("p99", _NUMBER_OR_NULL),
    Key("series", list_of(SERIES.type), is_given=True),
)
#: Written from `TrendPoints`, whose points are JSON already.
TREND_PAGE: Final[JsonRecord[Any]] = JsonRecord(
    "TrendPointList",
    unparsed,
    Key("items", as_written(list_of(TREND_POINT.type)), get=lambda trend: trend.list_points()),
    NO_NEXT,
    Key("complete", FLAG, get=lambda _: True),
    NO_LIMIT,
    Key("step", COUNT),
    Key("first_at", TIME_OR_NULL),
)
#: A record that was found by what a person had.
FOUND: Final[JsonRecord[FoundRecord]] = JsonRecord(
    "Found",
    unparsed,
    Key("kind", word_of(str, ("event", "delivery", "reject"))),
    Key("id", NAME),
    Key("event_id", NAME_OR_NULL),
    Key("found_by", word_of(str, ("id", "provider_id", "body"))),
)
EVENT_TYPE: Final[JsonRecord[TypeCount]] = JsonRecord(
    "EventType",
    unparsed,
    Key("source", NAME),
    Key("type", NAME_OR_NULL),
    Key("count", COUNT),
    Key("first_at", TIME),
    Key("last_at", TIME),
)
#: Written from `TypeCounts`.
EVENT_TYPES: Final[JsonRecord[TypeCounts]] = JsonRecord(
    "EventTypeList", unparsed, Key("items", list_of(EVENT_TYPE.type), "rows"), NO_NEXT, *EXTENT
)
_OF_TYPE: Final = (Key("source", NAME), Key("type", NAME))
_BODIES: Final = (Key("count", COUNT), Key("left_out", public(COUNT_BY_NAME)), *EXTENT)
INFERRED_SCHEMA: Final[JsonRecord[InferredSchema]] = JsonRecord(
    "InferredSchema",
    unparsed,
    *_OF_TYPE,
    Key("schema", OBJECT),
    *_BODIES,
    needs_contents=True,
)
_JSON_TYPES: Final = TEXTS.or_null()
SCHEMA_CHANGE: Final[JsonRecord[SchemaChange]] = JsonRecord(
    "",
    unparsed,
    Key("path", TEXT),
    Key("change", word_of(str, (drift.NEW, drift.GONE, drift.TYPE, drift.OPTIONAL))),
    Key("before", _JSON_TYPES),
    Key("now", _JSON_TYPES),
    needs_contents=True,
)
#: Written from the present schema; `items` are its differences from an earlier one.
SCHEMA_DRIFT: Final[JsonRecord[InferredSchema]] = JsonRecord(
    "SchemaDrift",
    unparsed,
    Key("items", list_of(SCHEMA_CHANGE.type), is_given=True),
    NO_NEXT,
    *_OF_TYPE,
    *_BODIES,
    needs_contents=True,
)
