"""JSON Schemas of the answers of the admin API, by name.

Every key of a record is always present; contents are null for a token without the scope `bodies`.
"""

from __future__ import annotations

from typing import Final

from bridge.core.scopes import Scope
from bridge.services.filter_values import DEAD_KINDS
from bridge.services.records.delivery_records import DELIVERY, DELIVERY_DETAILS
from bridge.services.records.event_records import EVENT, EVENT_DETAILS, REJECT, REJECT_DETAILS
from bridge.services.records.explanation_records import (
    CLAUSE,
    CONDITION_PART,
    EXPLANATION,
    ROUTE_EXPLANATION,
)
from bridge.services.records.json_schema import (
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    TEXT_BY_NAME,
    TIME,
    Schema,
)
from bridge.services.records.json_schema import list_of as _list
from bridge.services.records.json_schema import nullable as _nullable
from bridge.services.records.json_schema import page_of as _page
from bridge.services.records.json_schema import record as _record
from bridge.services.records.json_schema import ref as _ref
from bridge.services.records.json_schema import with_screen as _with_screen
from bridge.services.records.json_schema import word as _word
from bridge.services.records.operation_records import OPERATION, OPERATION_COUNT, STEP_DETAILS
from bridge.services.records.status_records import CONDITION

SCHEMAS: Final[dict[str, Schema]] = {
    "Problem": _record(
        type=TEXT,
        title=TEXT,
        status=COUNT,
        detail=TEXT,
        instance=TEXT,
        errors=_list(
            _record(
                param=_nullable(TEXT),
                pointer=_nullable(TEXT),
                detail=TEXT,
                near=_nullable(TEXT),
                allowed=_list(TEXT),
            )
        ),
    ),
    "Api": _record(
        version=TEXT,
        public_url=_nullable(TEXT),
        token=TEXT,
        scopes=_list(_word(*(one.value for one in Scope))),
        limits=_record(page_items=COUNT, requests=COUNT, seconds=NUMBER),
        links=TEXT_BY_NAME,
    ),
    "Condition": CONDITION.schema,
    "Conditions": _record(items=_list(_ref("Condition"))),
    "Status": {
        "type": "object",
        "properties": {
            "ok": FLAG,
            "problems": _list(_ref("Condition")),
            "notes": _list(TEXT),
            "at": TIME,
            "version": TEXT,
            "python": TEXT,
            "database": OBJECT,
            "config": OBJECT,
            "processes": _list(OBJECT),
            "sources": _list(OBJECT),
            "queue": _list(OBJECT),
            "platforms": _list(OBJECT),
            "runs": _list(OBJECT),
            "dead": _record(total=COUNT, within_a_day=COUNT),
            "unknown": _record(total=COUNT, for_a_person=COUNT),
            "stuck": _list(OBJECT),
        },
        "required": ["ok", "problems", "at", "version", "sources", "queue", "dead", "unknown"],
    },
    "Delivery": DELIVERY.schema,
    "DeliveryPage": _with_screen(_page("Delivery")),
    "DeliveryDetails": DELIVERY_DETAILS.schema,
    "Event": EVENT.schema,
    "EventPage": _page("Event"),
    "EventDetails": EVENT_DETAILS.schema,
    "Explanation": EXPLANATION.schema,
    "Explanations": _record(items=_list(_ref("Explanation"))),
    "RouteExplanation": ROUTE_EXPLANATION.schema,
    "Clause": CLAUSE.schema,
    "ConditionPart": CONDITION_PART.schema,
    "Reject": REJECT.schema,
    "RejectPage": _page("Reject"),
    "RejectDetails": REJECT_DETAILS.schema,
    "OperationCount": OPERATION_COUNT.schema,
    "Operation": OPERATION.schema,
    "OperationPage": _page("Operation"),
    "OperationItem": STEP_DETAILS.schema,
    "OperationItemPage": _page("OperationItem"),
    "Cause": _record(
        key=TEXT,
        label=TEXT,
        dead_kind=_nullable(_word(*DEAD_KINDS)),
        count=COUNT,
        replayed=COUNT,
        first_at=TIME,
        last_at=TIME,
        example=_record(delivery_id=TEXT, event_id=TEXT, route=TEXT),
        advice=TEXT,
        routes=_list(TEXT),
    ),
    "Causes": _record(items=_list(_ref("Cause")), read_until=_nullable(TIME)),
    "TrendPoint": _record(
        name=TEXT,
        at=TIME,
        step=COUNT,
        value=NUMBER,
        p50=_nullable(NUMBER),
        p99=_nullable(NUMBER),
        series=_list(_record(labels=TEXT_BY_NAME, value=NUMBER)),
    ),
    "TrendPage": _record(step=COUNT, first_at=_nullable(TIME), items=_list(_ref("TrendPoint"))),
    "Found": _record(
        kind=_word("event", "delivery", "reject"),
        id=TEXT,
        event_id=_nullable(TEXT),
        found_by=_word("id", "provider_id", "body"),
    ),
    "FoundPage": _page("Found"),
}
