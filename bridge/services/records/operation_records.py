"""Operations and their steps as JSON. Pure.

Without contents, filters and reasons that may quote a payload are hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

from bridge.core.model import JSON
from bridge.core.operations import Operation, OperationState, OperationStep, StepOutcome
from bridge.core.times import iso
from bridge.services.records import json_schema
from bridge.services.records.delivery_records import ANSWER, DELIVERY, find_label, to_label
from bridge.services.records.json_record import (
    COUNT,
    COUNT_BY_NAME,
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TIME,
    TIME_OR_NULL,
    JsonRecord,
    Key,
    Shape,
    ValueType,
    expect_shape,
    list_of,
    require_time,
    unparsed,
    word_of,
)

#: Filters whose value may quote a payload.
CONTENT_FILTERS: Final = frozenset({"body", "reason", "where"})


def _hide_filters(asked: JSON, _record: object) -> JSON:
    filters = asked.get("filters")
    if not isinstance(filters, dict):
        return asked
    shown = {name: None if name in CONTENT_FILTERS else text for name, text in filters.items()}
    return {**asked, "filters": shown}


def _hide_reasons(left_out: JSON, _record: object) -> JSON:
    if left_out is None:
        return None
    labels: Counter[str] = Counter()
    for reason, count in left_out.items():
        labels[find_label(reason) or ""] += int(count)
    return dict(labels)


def _hide_problems(problems: JSON, _record: object) -> JSON:
    return problems and [{**row, "problem": find_label(row["problem"])} for row in problems]


def _hide_answers(notes: JSON, _record: object) -> JSON:
    return notes and [ANSWER.sub("", note) for note in notes]


_PROBLEMS: Final = json_schema.list_of(
    json_schema.record(id=TEXT.schema, problem=TEXT_OR_NULL.schema)
)
_RESUMED: Final = ValueType(
    json_schema.list_of(json_schema.record(actor=json_schema.TEXT, at=json_schema.TIME)),
    lambda resumed: [{"actor": actor, "at": iso(at)} for actor, at in resumed],
    lambda rows: tuple((row["actor"], require_time(row["at"])) for row in rows),
)
#: What was counted before a person agreed to an operation.
_COUNTS: Final[tuple[tuple[str, ValueType, Callable[[JSON, Any], JSON] | None], ...]] = (
    ("count", COUNT, None),
    ("by_route", COUNT_BY_NAME, None),
    ("by_status", COUNT_BY_NAME, None),
    ("left_out", COUNT_BY_NAME, _hide_reasons),
    ("problems", ValueType(_PROBLEMS), _hide_problems),
    ("notes", TEXTS, _hide_answers),
    ("went_already", COUNT, None),
    ("examples", TEXTS, None),
)
MAX_EXAMPLES: Final = 3
#: Of an `OperationSelection`.
_COMPUTED: Final[Mapping[str, Callable[[Any], JSON]]] = {
    "problems": lambda items: [
        {"id": name, "problem": problem} for name, problem in items.problems.items()
    ],
    "examples": lambda items: items.ids[:MAX_EXAMPLES],
}
OPERATION_COUNT: Final[JsonRecord[Any]] = JsonRecord(
    "OperationCount",
    unparsed,
    *(
        Key(name, kind, get=_COMPUTED.get(name, attrgetter(name)), hide=hide)
        for name, kind, hide in _COUNTS
    ),
)
STEP: Final = JsonRecord(
    "",
    OperationStep,
    Key("number", COUNT),
    Key("id", TEXT, "item_id"),
    Key("outcome", ValueType(TEXT.schema, str, StepOutcome).or_null()),  # null until it is done
    Key("problem", TEXT_OR_NULL, hide=to_label),
    Key("was", TEXT_OR_NULL),
    Key("became", TEXT_OR_NULL),
    Key("made", TEXTS),
    Key("at", TIME_OR_NULL),
    rest={"act": 0},
)
#: `deliveries`: those that it changed or made and that are still stored, as they are now.
STEP_DETAILS: Final = STEP.extend(
    "OperationItem",
    Key("events", TEXTS, get=attrgetter("event_ids")),
    Key("deliveries", list_of(DELIVERY.type), is_given=True),
    rest={"act": 0},
)


def _count_of(name: str) -> Callable[[Operation], JSON]:
    return lambda operation: (operation.counted or {}).get(name)


#: `count` and the keys after it are those of a request over HTTP, null for a command.
OPERATION: Final = JsonRecord(
    "Operation",
    Operation,
    Key("id", TEXT),
    Key("command", TEXT),
    Key("state", word_of(OperationState, OperationState), is_given=True),
    Key("actor", TEXT),
    Key("created_at", TIME),
    Key("asked", OBJECT, hide=_hide_filters),
    Key("chosen", COUNT.or_null()),
    Key("done", COUNT),
    Key("refused", COUNT),
    Key("worked_at", TIME_OR_NULL),
    Key("finished_at", TIME_OR_NULL),
    Key("resumed", _RESUMED),
    Key("proposed_until", TIME_OR_NULL),
    Key("agreed_at", TIME_OR_NULL),
    Key("stopped_at", TIME_OR_NULL),
    *(
        Key(name, ValueType(kind.or_null().schema), get=_count_of(name), hide=hide)
        for name, kind, hide in _COUNTS
    ),
    rest={"seq": 0},
)


def read_state(shape: Shape) -> str:
    """Return the state of an operation. Raises `UnreadableAnswer`."""
    with expect_shape():
        return str(shape["state"])
