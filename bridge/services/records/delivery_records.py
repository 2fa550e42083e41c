"""Deliveries, attempts and wait reasons as JSON. Pure.

Reasons and problems may quote a payload. Without contents, the label of their cause stands in their
place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.core.model import JSON, Attempt, DeadKind, Delivery, Order, RunState, Status
from bridge.core.units import iso
from bridge.services.filter_values import DEAD_KINDS
from bridge.services.records.json_record import (
    ANY,
    COUNT,
    COUNT_OR_NULL,
    NAME,
    NAME_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TIME,
    TIME_OR_NULL,
    JsonRecord,
    Key,
    ValueType,
    list_of,
    public,
    to_empty,
    to_null,
    unparsed,
    word_of,
)

if TYPE_CHECKING:
    from bridge.delivery.wait_context import Wait

ANSWER: Final = re.compile(r"(?:: | \().*", re.DOTALL)  # of a platform, behind flowbridge's words


def find_label(text: JSON, dead_kind: DeadKind | None = None) -> str | None:
    """Return the label of the cause of a reason or problem; null for null."""
    from bridge.delivery.causes import find_cause  # commands see contents, and do without it

    return find_cause(text, dead_kind).label if isinstance(text, str) else None


def to_label(text: JSON, _record: object) -> str | None:
    """Hide a text that may quote a payload."""
    return find_label(text)


def evidence_json(value: JSON) -> JSON:
    """Return the evidence from the platform's list of runs, with its times in ISO 8601."""
    if isinstance(value, list):
        return [evidence_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: iso(item) if _is_time(name, item) else evidence_json(item)
        for name, item in value.items()
    }


def _is_time(name: str, value: JSON) -> bool:
    is_named = name.endswith(("_at", "_since")) or name in ("since", "until")
    return is_named and isinstance(value, int | float) and not isinstance(value, bool)


DEAD_KIND: Final = word_of(DeadKind.of_word, DEAD_KINDS, lambda kind: kind.word).or_null()
RUN_STATE: Final = word_of(RunState, RunState).or_null()
_EVIDENCE: Final = ValueType(ANY.schema, evidence_json)

ATTEMPT: Final = JsonRecord(
    "",
    Attempt,
    Key("number", COUNT),
    Key("started_at", TIME),
    Key("finished_at", TIME_OR_NULL),
    Key("outcome", NAME_OR_NULL),  # null while it is in progress
    Key("status_code", COUNT_OR_NULL),
    Key("detail", TEXT_OR_NULL, hide=to_label),
    # these are of a run that another one replaced
    Key("run_id", NAME_OR_NULL),
    Key("run_state", RUN_STATE),
    Key("run_finished_at", TIME_OR_NULL),
    Key("outputs", ANY, hide=to_null),
    Key("log", TEXTS, hide=to_empty),
    Key("late_at", TIME_OR_NULL),
)
WAIT: Final[JsonRecord[Wait]] = JsonRecord(
    "",
    unparsed,
    Key("kind", NAME),
    Key("detail", TEXT_OR_NULL, hide=to_null),
    Key("until", TIME_OR_NULL),
    Key("behind", NAME_OR_NULL),
)
DELIVERY: Final = JsonRecord(
    "Delivery",
    Delivery,
    Key("id", NAME),
    Key("event_id", NAME),
    Key("route", NAME),
    Key("flow", NAME),
    Key("platform", NAME),
    Key("status", word_of(Status, Status)),
    Key(
        "reason",
        TEXT_OR_NULL,
        hide=lambda reason, delivery: find_label(reason, delivery.dead_kind),
    ),
    Key("attempts", COUNT),
    Key("throttled", COUNT),
    Key("run_id", NAME_OR_NULL),
    Key("run_url", NAME_OR_NULL),
    Key("run_state", RUN_STATE),
    Key("outputs", ANY, hide=to_null),
    Key("created_at", TIME),
    Key("due_at", public(ValueType(TIME_OR_NULL.schema, TIME.write, TIME.parse))),
    Key("delivered_at", TIME_OR_NULL),
    Key("finished_at", TIME_OR_NULL),
    Key("dead_kind", DEAD_KIND),
    Key(
        "order_key",
        ValueType(TEXT.schema, lambda order: order.key, lambda key: Order(key=key)).or_null(),
        "order",
        hide=to_null,
    ),
    Key("merged_into", NAME_OR_NULL),
    Key("reruns", COUNT),
    rest={"saved_item_id": "", "inputs": None, "config_hash": ""},
)
#: `attempts` is the number of those that count.
DELIVERY_DETAILS: Final = DELIVERY.extend(
    "DeliveryDetails",
    Key("inputs", ANY, hide=to_null),
    Key("log", TEXTS, hide=to_empty),
    Key("attempt_list", list_of(ATTEMPT.type), is_given=True),
    Key("on_unknown", word_of(str, ("reconcile", "hold", "retry"))),
    Key("evidence", _EVIDENCE, hide=to_null),
    Key("next_poll_at", TIME_OR_NULL, "look_at"),
    Key("waits_for", WAIT.type.or_null(), is_given=True),
    rest={"saved_item_id": "", "config_hash": ""},
)
#: An unknown delivery with what is known of its start.
UNKNOWN: Final = DELIVERY.extend(
    "Evidence",
    Key("evidence", _EVIDENCE, hide=to_null),
    Key("attempt", ATTEMPT.type.or_null(), is_given=True),
    Key("next_poll_at", TIME_OR_NULL, "look_at"),
    Key("commands", TEXTS, is_given=True, hide=to_empty),
)
