"""JSON Schemas of the answers of the admin API, by name.

Every key of a record is always present; contents are null for a token without the scope `bodies`.
"""

from __future__ import annotations

from typing import Final

from bridge.core.model import RunState, Status
from bridge.core.operations import OperationState
from bridge.core.scopes import Scope
from bridge.routing.model import Mode
from bridge.services.filter_values import DEAD_KINDS
from bridge.web.admin.schema_parts import (
    ANY,
    COUNT,
    COUNT_BY_NAME,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    TEXT_BY_NAME,
    TIME,
    Schema,
)
from bridge.web.admin.schema_parts import list_of as _list
from bridge.web.admin.schema_parts import nullable as _nullable
from bridge.web.admin.schema_parts import page_of as _page
from bridge.web.admin.schema_parts import record as _record
from bridge.web.admin.schema_parts import ref as _ref
from bridge.web.admin.schema_parts import with_screen as _with_screen
from bridge.web.admin.schema_parts import word as _word

RUN_STATE: Final[Schema] = _word(*(one.value for one in RunState))

_FILE: Final = _record(
    field=_nullable(TEXT), name=_nullable(TEXT), type=TEXT, size=COUNT, sha256=_nullable(TEXT)
)
DELIVERY: Final[Schema] = {
    "id": TEXT,
    "event_id": TEXT,
    "route": TEXT,
    "flow": TEXT,
    "platform": TEXT,
    "status": _word(*(one.value for one in Status)),
    "reason": _nullable(TEXT),
    "attempts": COUNT,
    "throttled": COUNT,
    "run_id": _nullable(TEXT),
    "run_url": _nullable(TEXT),
    "run_state": _nullable(RUN_STATE),
    "outputs": ANY,
    "created_at": TIME,
    "due_at": _nullable(TIME),
    "delivered_at": _nullable(TIME),
    "finished_at": _nullable(TIME),
    "dead_kind": _nullable(_word(*DEAD_KINDS)),
    "order_key": _nullable(TEXT),
    "merged_into": _nullable(TEXT),
    "reruns": COUNT,
}
_EVENT: Final[Schema] = {
    "id": TEXT,
    "source": TEXT,
    "provider": TEXT,
    "type": _nullable(TEXT),
    "provider_id": _nullable(TEXT),
    "received_at": TIME,
    "problem": _nullable(TEXT),
    "config_hash": TEXT,
    "body_sha256": TEXT,
    "same_body_as": _nullable(TEXT),
    "duplicates": COUNT,
    "sender_retry": _nullable(COUNT),
    "files": _list(_FILE),
    "spam": _nullable(TEXT),
    "client": _nullable(TEXT),
}
ATTEMPT: Final = _record(
    number=COUNT,
    started_at=TIME,
    finished_at=_nullable(TIME),
    outcome=_nullable(TEXT),
    status_code=_nullable(COUNT),
    detail=_nullable(TEXT),
    run_id=_nullable(TEXT),
    run_state=_nullable(RUN_STATE),
    run_finished_at=_nullable(TIME),
    outputs=ANY,
    log=_list(TEXT),
    late_at=_nullable(TIME),
)
_WAIT: Final = _record(
    kind=TEXT, detail=_nullable(TEXT), until=_nullable(TIME), behind=_nullable(TEXT)
)
_ITEM: Final[Schema] = {
    "number": COUNT,
    "id": TEXT,
    "outcome": _nullable(TEXT),
    "problem": _nullable(TEXT),
    "was": _nullable(TEXT),
    "became": _nullable(TEXT),
    "made": _list(TEXT),
    "at": _nullable(TIME),
}
_COUNTS: Final[Schema] = {
    "count": COUNT,
    "by_route": COUNT_BY_NAME,
    "by_status": COUNT_BY_NAME,
    "left_out": COUNT_BY_NAME,
    "problems": _list(_record(id=TEXT, problem=_nullable(TEXT))),
    "notes": _list(TEXT),
    "went_already": COUNT,
    "examples": _list(TEXT),
}
_REJECT: Final[Schema] = {
    "id": TEXT,
    "source": TEXT,
    "provider": TEXT,
    "received_at": TIME,
    "reason": TEXT,
    "diagnosis": _list(TEXT),
    "client": _nullable(TEXT),
    "size": COUNT,
    "cut": FLAG,
    "readmitted_at": _nullable(TIME),
    "events": _list(TEXT),
}

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
    "Condition": _record(key=TEXT, severity=_word("warning", "critical"), what=TEXT, do=TEXT),
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
    "Delivery": _record(**DELIVERY),
    "DeliveryPage": _with_screen(_page("Delivery")),
    "DeliveryDetails": _record(
        **DELIVERY,
        inputs=ANY,
        log=_list(TEXT),
        attempt_list=_list(ATTEMPT),
        evidence=ANY,
        waits_for=_nullable(_WAIT),
    ),
    "Event": _record(**_EVENT, deliveries=_list(_ref("Delivery"))),
    "EventPage": _page("Event"),
    "EventDetails": _with_screen(
        _record(
            **_EVENT,
            deliveries=_list(_ref("DeliveryDetails")),
            headers=_nullable(TEXT_BY_NAME),
            query_string=_nullable(TEXT),
            body=_nullable(TEXT),
            body_base64=_nullable(TEXT),
            operations=_list(_record(id=TEXT, command=TEXT, actor=TEXT, item=_record(**_ITEM))),
        )
    ),
    "Explanation": _with_screen(
        _record(
            event_id=_nullable(TEXT),
            reject_id=_nullable(TEXT),
            source=TEXT,
            type=_nullable(TEXT),
            received_at=TIME,
            config_hash=TEXT,
            problem=_nullable(TEXT),
            routes=_list(_ref("RouteExplanation")),
        )
    ),
    "Explanations": _record(items=_list(_ref("Explanation"))),
    "RouteExplanation": _record(
        route=TEXT,
        flows=_list(TEXT),
        mode=_word(*(one.value for one in Mode)),
        matches=FLAG,
        other_source=FLAG,
        clauses=_list(_ref("Clause")),
        inputs=ANY,
        missing=_list(_record(input=TEXT, path=TEXT, near=_list(ANY))),
        problem=_nullable(TEXT),
    ),
    "Clause": {
        "type": "object",
        "properties": {
            "path": _nullable(TEXT),
            "operator": TEXT,
            "expected": ANY,
            "found": ANY,
            "ok": FLAG,
            "near": _list(ANY),
            "clauses": _list(_ref("Clause")),
            "parts": _list(_ref("ConditionPart")),
            "problem": _nullable(TEXT),
        },
        "required": ["path", "operator", "expected", "found", "ok", "near"],
        "additionalProperties": False,
    },
    "ConditionPart": _record(
        text=TEXT,
        operator=_nullable(TEXT),
        is_literal=FLAG,
        found=ANY,
        ok=FLAG,
        near=_list(ANY),
        problem=_nullable(TEXT),
        parts=_list(_ref("ConditionPart")),
    ),
    "Reject": _record(**_REJECT),
    "RejectPage": _page("Reject"),
    "RejectDetails": _record(
        **_REJECT,
        method=TEXT,
        path=_nullable(TEXT),
        query_string=_nullable(TEXT),
        headers=_nullable(TEXT_BY_NAME),
        body=_nullable(TEXT),
        body_base64=_nullable(TEXT),
    ),
    "OperationCount": _record(**_COUNTS),
    "Operation": _record(
        id=TEXT,
        command=TEXT,
        state=_word(*(one.value for one in OperationState)),
        actor=TEXT,
        created_at=TIME,
        asked=OBJECT,
        chosen=_nullable(COUNT),
        done=COUNT,
        refused=COUNT,
        worked_at=_nullable(TIME),
        finished_at=_nullable(TIME),
        resumed=_list(_record(actor=TEXT, at=TIME)),
        proposed_until=_nullable(TIME),
        agreed_at=_nullable(TIME),
        stopped_at=_nullable(TIME),
        **{name: _nullable(schema) for name, schema in _COUNTS.items()},
    ),
    "OperationPage": _page("Operation"),
    "OperationItem": _record(**_ITEM, events=_list(TEXT), deliveries=_list(_ref("Delivery"))),
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
    "TrendPage": _record(step=COUNT, items=_list(_ref("TrendPoint"))),
    "Found": _record(
        kind=_word("event", "delivery", "reject"),
        id=TEXT,
        event_id=_nullable(TEXT),
        found_by=_word("id", "provider_id", "body"),
    ),
    "FoundPage": _page("Found"),
}
