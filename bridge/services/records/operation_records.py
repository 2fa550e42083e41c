"""Operations and their steps as JSON. Pure.

Without contents, filters and reasons that may quote a payload are hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from operator import attrgetter, itemgetter
from typing import Any, Final

from bridge.core.model import JSON
from bridge.core.operations import Operation, OperationState, OperationStep, StepOutcome
from bridge.services.records.delivery_records import ANSWER, DELIVERY, find_label, to_label
from bridge.services.records.json_record import (
    COUNT,
    COUNT_BY_NAME,
    COUNT_OR_NULL,
    NAME,
    NAME_OR_NULL,
    NAMES,
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
    as_written,
    expect_shape,
    list_of,
    public,
    unparsed,
    word_of,
)

#: Filters whose value may quote a payload.
CONTENT_FILTERS: Final = frozenset({"body", "reason", "where"})


def _hide_filters(request: JSON, _record: object) -> JSON:
    filters = request.get("filters")
    if not isinstance(filters, dict):
        return request
    public = {name: None if name in CONTENT_FILTERS else text for name, text in filters.items()}
    return {**request, "filters": public}


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


#: Why an item is left out: a pair of its id and the reason.
ITEM_PROBLEM: Final[JsonRecord[tuple[str, str]]] = JsonRecord(
    "",
    unparsed,
    Key("id", NAME, get=itemgetter(0)),
    Key("problem", TEXT_OR_NULL, get=itemgetter(1), hide=to_label),
)
_RESUMED: Final[JsonRecord[tuple[str, float]]] = JsonRecord(
    "",
    lambda actor, at: (actor, at),
    Key("actor", NAME, "actor", get=itemgetter(0)),
    Key("at", TIME, "at", get=itemgetter(1)),
)
#: What was counted before a person agreed to an operation.
_COUNTS: Final[tuple[tuple[str, ValueType, Callable[[JSON, Any], JSON] | None], ...]] = (
    ("count", COUNT, None),
    ("by_route", public(COUNT_BY_NAME), None),
    ("by_status", public(COUNT_BY_NAME), None),
    ("left_out", COUNT_BY_NAME, _hide_reasons),
    ("refusals", COUNT_BY_NAME, _hide_reasons),
    ("skipped", public(COUNT_BY_NAME), None),
    ("problems", ValueType(list_of(ITEM_PROBLEM.type).schema), _hide_problems),
    ("notes", TEXTS, _hide_answers),
    ("went_already", COUNT, None),
    ("examples", NAMES, None),
)
MAX_EXAMPLES: Final = 3
#: Of an `OperationSelection`.
_COMPUTED: Final[Mapping[str, Callable[[Any], JSON]]] = {
    "problems": lambda items: [ITEM_PROBLEM.write(pair) for pair in items.problems.items()],
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
_OUTCOME: Final = public(ValueType(TEXT.schema, str, StepOutcome)).or_null()
STEP: Final = JsonRecord(
    "",
    OperationStep,
    Key("number", COUNT),
    Key("id", NAME, "item_id"),
    Key("outcome", _OUTCOME),  # null until it is done
    Key("problem", TEXT_OR_NULL, hide=to_label),
    Key("was", NAME_OR_NULL),
    Key("became", NAME_OR_NULL),
    Key("made", NAMES),
    Key("at", TIME_OR_NULL),
    rest={"act": 0},
)
#: `deliveries`: those that it changed or made and that are still stored, as they are now.
STEP_DETAILS: Final = STEP.extend(
    "OperationItem",
    Key("events", NAMES, get=attrgetter("event_ids")),
    Key("deliveries", list_of(DELIVERY.type), is_given=True),
    rest={"act": 0},
)


def _count_of(name: str) -> Callable[[Operation], JSON]:
    return lambda operation: (operation.counted or {}).get(name)


#: The keys after `stopped_at` are those of a request over HTTP, null for a command.
OPERATION: Final = JsonRecord(
    "Operation",
    Operation,
    Key("id", NAME),
    Key("command", NAME),
    Key("state", word_of(OperationState, OperationState), is_given=True),
    Key("actor", NAME),
    Key("created_at", TIME),
    Key("request", OBJECT, hide=_hide_filters),
    Key("count", COUNT_OR_NULL),  # of its items: `done`, `refused` and `left` together
    Key("done", COUNT),
    Key("refused", COUNT),
    Key("left", COUNT, get=attrgetter("left")),
    Key("last_progress_at", TIME_OR_NULL),
    Key("finished_at", TIME_OR_NULL),
    Key("resumed", list_of(_RESUMED.type)),
    Key("proposed_until", TIME_OR_NULL),
    Key("agreed_at", TIME_OR_NULL),
    Key("stopped_at", TIME_OR_NULL),
    *(
        Key(name, as_written(kind.or_null()), get=_count_of(name), hide=hide)
        for name, kind, hide in _COUNTS
        if name != "count"
    ),
    rest={"seq": 0},
)


def count_expected(shape: Shape) -> int:
    """Return how many of the items that were counted are expected to be done: those that the
    operation does not refuse. Raises `UnreadableAnswer`.
    """
    with expect_shape():
        # a bridge of 0.2.0 has no refusals
        return int(shape["count"] or 0) - Counter[str](shape.get("refusals") or {}).total()


def read_state(shape: Shape) -> str:
    """Return the state of an operation. Raises `UnreadableAnswer`."""
    with expect_shape():
        return str(shape["state"])
