"""JSON records: what is written is parsed again, fits its schema, and shows no contents unasked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from records import NOW, make_delivery, make_event

from bridge.core.alert import Alert
from bridge.core.audit import AuditEntry
from bridge.core.model import (
    JSON,
    Attempt,
    DeadKind,
    FormFile,
    Order,
    Reject,
    RunState,
    Status,
)
from bridge.core.operations import Operation, OperationState, OperationStep, StepOutcome
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.delivery.platforms.model import KillReport, ListedRun
from bridge.delivery.wait_context import Wait
from bridge.services.records.bridge_records import ALERT, AUDIT_ENTRY
from bridge.services.records.delivery_records import ATTEMPT, DELIVERY, DELIVERY_DETAILS, UNKNOWN
from bridge.services.records.event_records import EVENT, EVENT_DETAILS, REJECT, REJECT_DETAILS
from bridge.services.records.flow_records import KILLED_RUN, RUN, RUN_REPORT, STARTED_RUN
from bridge.services.records.json_record import (
    ABSENT,
    ANY,
    COUNT,
    COUNT_BY_NAME,
    NAME,
    OBJECT,
    TEXT,
    TEXTS,
    JsonRecord,
    Key,
    UnreadableAnswer,
    ValueType,
    list_of,
    public,
    unparsed,
)
from bridge.services.records.operation_records import OPERATION, STEP, STEP_DETAILS
from bridge.web.admin.schemas import SCHEMAS

SECRET = "zebra-7431"  # what a sender or a platform wrote
QUOTE = f"HTTP 400: {SECRET}"
EVENT_RECORD = make_event(
    "1",
    body=SECRET.encode(),
    headers={"x-a": SECRET},
    query_string=SECRET,
    problem=QUOTE,
    spam=QUOTE,
    client="192.0.2.7",
    files=(FormFile(field=SECRET, name=SECRET, type="image/png", size=7, sha256="ab"),),
)
DELIVERY_RECORD = replace(
    make_delivery(EVENT_RECORD),
    status=Status.DEAD,
    dead_kind=DeadKind.PLATFORM,
    reason=QUOTE,
    inputs={"title": SECRET},
    outputs={"text": SECRET},
    log=(SECRET,),
    run_id="run-1",
    run_state=RunState.FAILED,
    finished_at=NOW,
    order=Order(key=SECRET),
    evidence={"since": NOW, "candidates": [{"echo": SECRET}]},
)
ATTEMPT_RECORD = Attempt(
    delivery_id=DELIVERY_RECORD.id,
    number=1,
    started_at=NOW,
    outcome="rejected",
    detail=QUOTE,
    outputs=SECRET,
    log=(SECRET,),
)
STEP_RECORD = OperationStep(
    act=0,
    number=1,
    item_id=DELIVERY_RECORD.id,
    outcome=StepOutcome.REFUSED,
    problem=QUOTE,
    made=("evt_1", "dlv_1"),
    at=NOW,
)
OPERATION_RECORD = Operation(
    seq=0,
    id="act_1",
    command="retry",
    actor="ann",
    created_at=NOW,
    request={"filters": {"reason": SECRET, "route": "triage"}},
    count=1,
    resumed=(("ben", NOW),),
    counted={
        "count": 1,
        "left_out": {QUOTE: 2},
        "problems": [{"id": "dlv_1", "problem": QUOTE}],
        "notes": [f"gumloop was not asked: {SECRET}"],
        "examples": ["dlv_1"],
    },
)
REJECT_RECORD = Reject(
    id="rej_1",
    source="github",
    provider="github",
    received_at=NOW,
    reason="mismatch",
    method="POST",
    path=f"/hooks/{SECRET}",
    headers={"x-a": SECRET},
    query_string=SECRET,
    url="",
    body=b"\xff" + SECRET.encode(),
    size=11,
    cut=False,
    client="192.0.2.7",
)
ALERT_RECORD = Alert(
    key="circuit_open:gumloop",
    severity="critical",
    what=f"platform gumloop is not called: {SECRET}",
    do="wait",
    since=NOW,
    seen_at=NOW,
)
REPORT = RunReport(state=RunState.DONE, outputs=SECRET, log=(SECRET,), detail=QUOTE)
RUN_KEYS = {"platform": "gumloop", "run_id": "run-1"}
FLOW_KEYS = {"platform": "gumloop", "saved_item_id": "flow-1"}
#: Each record with an example, and the values of the keys that it does not have itself.
EXAMPLES: list[tuple[JsonRecord[Any], Any, dict[str, Any]]] = [
    (EVENT, EVENT_RECORD, {"deliveries": [DELIVERY_RECORD]}),
    (DELIVERY, DELIVERY_RECORD, {}),
    (ATTEMPT, ATTEMPT_RECORD, {}),
    (
        DELIVERY_DETAILS,
        DELIVERY_RECORD,
        {"attempt_list": [ATTEMPT_RECORD], "waits_for": Wait(kind="circuit", detail=QUOTE)},
    ),
    (UNKNOWN, DELIVERY_RECORD, {"attempt": ATTEMPT_RECORD, "commands": [SECRET]}),
    (
        EVENT_DETAILS,
        EVENT_RECORD,
        {"deliveries": [], "operations": [(OPERATION_RECORD, STEP_RECORD)]},
    ),
    (REJECT, REJECT_RECORD, {"diagnosis": [SECRET]}),
    (REJECT_DETAILS, REJECT_RECORD, {"diagnosis": [SECRET]}),
    (OPERATION, OPERATION_RECORD, {"state": OperationState.RUNNING}),
    (STEP, STEP_RECORD, {}),
    (STEP_DETAILS, STEP_RECORD, {"deliveries": [DELIVERY_RECORD]}),
    (AUDIT_ENTRY, AuditEntry(id="aud_1", at=NOW, actor="ann", action="login"), {}),
    (ALERT, ALERT_RECORD, {"over": False, "notified": 1}),
    (
        STARTED_RUN,
        Outcome(kind=OutcomeKind.REJECTED, detail=QUOTE),
        {**FLOW_KEYS, "notes": [], "hint": None},
    ),
    (RUN_REPORT, REPORT, RUN_KEYS),
    (
        KILLED_RUN,
        KillReport(accepted=False, detail=QUOTE),
        {**RUN_KEYS, "run_state": None, "raw_state": None},
    ),
    (
        RUN,
        ListedRun(id="run-1", saved_item_id="flow-1", report=REPORT),
        {"platform": "gumloop", "delivery_id": None, "event_id": None, "route": None},
    ),
]
each_example = pytest.mark.parametrize(
    ("kind", "record", "given"), EXAMPLES, ids=[str(i) for i in range(len(EXAMPLES))]
)


@each_example
def test_without_contents_every_key_is_there_and_none_quotes(
    kind: JsonRecord[Any], record: Any, given: dict[str, Any]
) -> None:
    whole = kind.write(record, **given)
    hidden = kind.write(record, with_contents=False, **given)
    assert list(hidden) == list(whole) == [key.name for key in kind.keys if not key.is_optional]
    for text in (SECRET, "192.0.2.7"):
        assert text not in orjson.dumps(hidden).decode()


@each_example
def test_what_is_written_fits_the_schema(
    kind: JsonRecord[Any], record: Any, given: dict[str, Any]
) -> None:
    schema = {**kind.schema, "components": {"schemas": SCHEMAS}}
    validator = Draft202012Validator(schema)
    for with_contents in (True, False):
        shape = orjson.loads(orjson.dumps(kind.write(record, with_contents=with_contents, **given)))
        assert [error.message for error in validator.iter_errors(shape)] == []


def test_what_is_written_is_parsed_again() -> None:
    wait = Wait(kind="circuit", detail=QUOTE)
    details = DELIVERY_DETAILS.write(DELIVERY_RECORD, attempt_list=[], waits_for=wait)
    parsed = DELIVERY_DETAILS.parse(details)
    assert parsed == replace(
        DELIVERY_RECORD, saved_item_id="", config_hash="", evidence=details["evidence"]
    )
    assert ATTEMPT.parse(ATTEMPT.write(ATTEMPT_RECORD), delivery_id=DELIVERY_RECORD.id) == (
        ATTEMPT_RECORD
    )
    assert STEP.parse(STEP.write(STEP_RECORD)) == STEP_RECORD
    event = EVENT_DETAILS.write(EVENT_RECORD, deliveries=[], operations=[])
    assert EVENT_DETAILS.parse(event) == EVENT_RECORD
    reject = REJECT_DETAILS.parse(REJECT_DETAILS.write(REJECT_RECORD, diagnosis=[]))
    assert reject == REJECT_RECORD
    operation = OPERATION.parse(OPERATION.write(OPERATION_RECORD, state=OperationState.RUNNING))
    assert operation == replace(OPERATION_RECORD, counted=None)


def test_what_is_hidden_is_parsed_as_empty() -> None:
    shape = EVENT_DETAILS.write(EVENT_RECORD, with_contents=False, deliveries=[], operations=[])
    event = EVENT_DETAILS.parse(shape)
    assert (event.headers, event.query_string, event.body) == ({}, "", b"")
    assert (event.files[0].name, event.files[0].sha256) == ("", "")


@pytest.mark.parametrize(
    "change", [{"status": "asleep"}, {"due_at": 7}, {"order_key": None, "id": None, "log": 3}]
)
def test_json_of_another_shape_is_one_kind_of_error(change: dict[str, JSON]) -> None:
    shape = DELIVERY_DETAILS.write(DELIVERY_RECORD, attempt_list=[], waits_for=None)
    with pytest.raises(UnreadableAnswer):
        DELIVERY_DETAILS.parse({**shape, **change})
    del shape["id"]
    with pytest.raises(UnreadableAnswer):
        DELIVERY_DETAILS.parse(shape)


def make_record(kind: ValueType, **options: Any) -> JsonRecord[Any]:
    return JsonRecord("Note", unparsed, Key("id", NAME), Key("text", kind), **options)


@pytest.mark.parametrize(
    "kind", [TEXT, TEXTS, ANY, OBJECT.or_null(), COUNT_BY_NAME, list_of(ValueType({}))]
)
def test_a_key_that_may_quote_a_payload_must_say_what_is_seen_of_it(kind: ValueType) -> None:
    with pytest.raises(ValueError, match="hidden or public: text"):
        make_record(kind)
    assert make_record(public(kind)).schema["properties"]["text"] == kind.schema


def test_a_record_of_contents_is_not_written_without_them() -> None:
    record = make_record(ANY, needs_contents=True)
    outer = JsonRecord("", unparsed, Key("note", record.type, get=lambda note: note))
    note = SimpleNamespace(id="1", text=SECRET)
    assert outer.write(note) == {"note": {"id": "1", "text": SECRET}}
    with pytest.raises(ValueError, match="Note is not written without contents"):
        outer.write(note, with_contents=False)


def test_an_optional_key_without_a_value_is_left_out() -> None:
    record = JsonRecord(
        "",
        unparsed,
        Key("id", NAME),
        Key("size", COUNT, get=lambda note: note.size or ABSENT, is_optional=True),
        Key("place", NAME, is_given=True, is_optional=True),
    )
    assert record.write(SimpleNamespace(id="1", size=0)) == {"id": "1"}
    assert record.write(SimpleNamespace(id="1", size=2), place="here") == {
        "id": "1",
        "size": 2,
        "place": "here",
    }
    assert record.schema["required"] == ["id"]
