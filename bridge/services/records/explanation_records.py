"""Explanations of what routes do with an event as JSON, for readers of contents alone. Pure."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from bridge.routing.explain.clause_tree import GROUPS
from bridge.routing.explain.shown_values import shorten_value, writable_value
from bridge.routing.model import Mode
from bridge.services.records.json_record import (
    ABSENT,
    ANY,
    FLAG,
    NAME,
    NAME_OR_NULL,
    SCREEN,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TIME,
    JsonRecord,
    Key,
    ValueType,
    defined_later,
    list_of,
    unparsed,
    word_of,
)

if TYPE_CHECKING:
    from bridge.routing.explain.clause_tree import ClauseExplanation, PartExplanation
    from bridge.routing.explain.explanation import MissingPath, RouteExplanation
    from bridge.services.explain.explanations import EventExplanation

_FOUND: Final = ValueType(ANY.schema, shorten_value)
#: The values that were probably meant.
_NEAR: Final = Key("near", list_of(ANY), get=lambda part: [miss.value for miss in part.near])

#: A part of a `when`.
CONDITION_PART: Final[JsonRecord[PartExplanation]] = JsonRecord(
    "ConditionPart",
    unparsed,
    Key("text", TEXT, get=attrgetter("part.text")),
    Key("operator", TEXT_OR_NULL, get=attrgetter("part.operator")),
    Key("is_literal", FLAG, get=attrgetter("part.is_literal")),
    Key("found", _FOUND, get=attrgetter("part.found")),
    Key("ok", FLAG, get=attrgetter("part.ok")),
    _NEAR,
    Key("problem", TEXT_OR_NULL, get=attrgetter("part.problem")),
    Key("parts", list_of(defined_later("ConditionPart", lambda: CONDITION_PART))),
    needs_contents=True,
)
#: Only `any`, `all` and `not` have `clauses`; only a `when` has `parts` and a `problem`.
CLAUSE: Final[JsonRecord[ClauseExplanation]] = JsonRecord(
    "Clause",
    unparsed,
    Key("path", TEXT_OR_NULL),
    Key("operator", TEXT),
    Key("expected", ANY),
    Key("found", _FOUND),
    Key("ok", FLAG),
    _NEAR,
    Key(
        "clauses",
        list_of(defined_later("Clause", lambda: CLAUSE)),
        get=lambda clause: clause.clauses if clause.operator in GROUPS else ABSENT,
        is_optional=True,
    ),
    Key(
        "parts",
        list_of(CONDITION_PART.type),
        get=lambda clause: clause.parts if clause.operator == "when" else ABSENT,
        is_optional=True,
    ),
    Key(
        "problem",
        TEXT_OR_NULL,
        get=lambda clause: clause.problem if clause.operator == "when" else ABSENT,
        is_optional=True,
    ),
    needs_contents=True,
)
_MISSING_PATH: Final[JsonRecord[MissingPath]] = JsonRecord(
    "", unparsed, Key("input", TEXT), Key("path", TEXT), _NEAR, needs_contents=True
)
ROUTE_EXPLANATION: Final[JsonRecord[RouteExplanation]] = JsonRecord(
    "RouteExplanation",
    unparsed,
    Key("route", NAME),
    Key("flows", TEXTS),
    Key("mode", word_of(str, Mode)),
    Key("matches", FLAG),
    Key("other_source", FLAG, "is_other_source"),
    Key("clauses", list_of(CLAUSE.type)),
    Key("inputs", ValueType(ANY.schema, writable_value)),
    Key("missing", list_of(_MISSING_PATH.type)),
    Key("problem", TEXT_OR_NULL),
    needs_contents=True,
)
EXPLANATION: Final[JsonRecord[EventExplanation]] = JsonRecord(
    "Explanation",
    unparsed,
    Key("event_id", NAME_OR_NULL),
    Key("reject_id", NAME_OR_NULL),
    Key("source", NAME, get=attrgetter("event.source")),
    Key("type", NAME_OR_NULL, get=attrgetter("event.type")),
    Key("received_at", TIME, get=attrgetter("event.received_at")),
    Key("config_hash", NAME),
    Key("problem", TEXT_OR_NULL),
    Key("routes", list_of(ROUTE_EXPLANATION.type)),
    SCREEN,
    needs_contents=True,
)
