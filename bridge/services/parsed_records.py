"""Records that are parsed from their JSON: the inverse of `serializers`. Pure.

A record of a list, or of a token without the scope `bodies`, lacks contents; its fields are empty.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from bridge.core.audit import AuditEntry
from bridge.core.errors import BridgeError
from bridge.core.model import (
    JSON,
    Attempt,
    DeadKind,
    Delivery,
    Event,
    FormFile,
    Order,
    Reject,
    RunState,
    Status,
)
from bridge.core.operations import Operation, OperationStep, StepOutcome
from bridge.core.outcomes import RunReport
from bridge.core.times import parse_iso

Shape = Mapping[str, Any]

#: What Python raises for a value of another type, out of its range, or too deep.
WRONG_SHAPES: Final = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError),
    *(OverflowError, RecursionError),
)
UNREADABLE = "the answer is not as expected: the bridge may have another version of flowbridge"


class UnreadableAnswer(BridgeError):
    """JSON that has not the expected shape."""


@contextmanager
def expect_shape() -> Iterator[None]:
    """Raise `UnreadableAnswer` where JSON lacks a key, or a value has another type or size."""
    try:
        yield
    except WRONG_SHAPES:
        raise UnreadableAnswer(UNREADABLE) from None


def parse_time(text: JSON) -> float | None:
    """Return a time as `iso` writes it; None for null."""
    return None if text is None else parse_iso(text)


def require_time(text: JSON) -> float:
    """Return a time as `iso` writes it. A time outside the calendar, which is null, becomes NaN."""
    at = parse_time(text)
    return float("nan") if at is None else at


@expect_shape()
def parse_event(shape: Shape) -> Event:
    """Return an event, with headers and body where the JSON has them."""
    return Event(
        id=shape["id"],
        source=shape["source"],
        provider=shape["provider"],
        type=shape["type"],
        provider_id=shape["provider_id"],
        received_at=require_time(shape["received_at"]),
        headers=shape.get("headers") or {},
        query_string=shape.get("query_string") or "",
        body=_body(shape),
        body_sha256=shape["body_sha256"],
        config_hash=shape["config_hash"],
        problem=shape["problem"],
        same_body_as=shape["same_body_as"],
        duplicates=shape["duplicates"],
        sender_retry=shape["sender_retry"],
        files=tuple(
            FormFile(
                field=one["field"] or "",
                name=one["name"] or "",
                type=one["type"],
                size=one["size"],
                sha256=one["sha256"] or "",
            )
            for one in shape["files"]
        ),
        spam=shape["spam"],
        client=shape["client"],
    )


@expect_shape()
def parse_delivery(shape: Shape) -> Delivery:
    """Return a delivery. The fields that no JSON has are as those of a new one."""
    return Delivery(
        id=shape["id"],
        event_id=shape["event_id"],
        route=shape["route"],
        flow=shape["flow"],
        platform=shape["platform"],
        saved_item_id="",
        inputs=shape.get("inputs"),
        status=Status(shape["status"]),
        created_at=require_time(shape["created_at"]),
        due_at=require_time(shape["due_at"]),
        config_hash="",
        reason=shape["reason"],
        dead_kind=None if shape["dead_kind"] is None else DeadKind.of_word(shape["dead_kind"]),
        order=None if shape["order_key"] is None else Order(key=shape["order_key"]),
        merged_into=shape["merged_into"],
        attempts=shape["attempts"],
        throttled=shape["throttled"],
        run_id=shape["run_id"],
        run_url=shape["run_url"],
        run_state=_run_state(shape["run_state"]),
        outputs=shape["outputs"],
        log=tuple(shape.get("log") or ()),
        delivered_at=parse_time(shape["delivered_at"]),
        finished_at=parse_time(shape["finished_at"]),
        reruns=shape["reruns"],
        evidence=shape.get("evidence"),
    )


@expect_shape()
def parse_attempt(shape: Shape, delivery_id: str) -> Attempt:
    """Return an attempt of a delivery."""
    return Attempt(
        delivery_id=delivery_id,
        number=shape["number"],
        started_at=require_time(shape["started_at"]),
        finished_at=parse_time(shape["finished_at"]),
        outcome=shape["outcome"],
        status_code=shape["status_code"],
        detail=shape["detail"],
        run_id=shape["run_id"],
        run_state=_run_state(shape["run_state"]),
        log=tuple(shape["log"]),
        run_finished_at=parse_time(shape["run_finished_at"]),
        outputs=shape["outputs"],
        late_at=parse_time(shape["late_at"]),
    )


@expect_shape()
def parse_reject(shape: Shape) -> Reject:
    """Return a reject, with its request where the JSON has it."""
    return Reject(
        id=shape["id"],
        source=shape["source"],
        provider=shape["provider"],
        received_at=require_time(shape["received_at"]),
        reason=shape["reason"],
        method=shape.get("method") or "",
        path=shape.get("path") or "",
        headers=shape.get("headers") or {},
        query_string=shape.get("query_string") or "",
        url="",
        body=_body(shape),
        size=shape["size"],
        cut=shape["cut"],
        client=shape["client"],
        readmitted_at=parse_time(shape["readmitted_at"]),
        event_ids=tuple(shape["events"]),
    )


@expect_shape()
def parse_audit_entry(shape: Shape) -> AuditEntry:
    """Return an entry of the audit log."""
    return AuditEntry(
        id=shape["id"],
        at=require_time(shape["at"]),
        actor=shape["actor"],
        action=shape["action"],
        subject=shape["subject"],
        client=shape["client"],
    )


@expect_shape()
def parse_operation(shape: Shape) -> Operation:
    """Return an operation, without its number in the store."""
    return Operation(
        seq=0,
        id=shape["id"],
        command=shape["command"],
        actor=shape["actor"],
        created_at=require_time(shape["created_at"]),
        asked=shape["asked"],
        chosen=shape["chosen"],
        done=shape["done"],
        refused=shape["refused"],
        worked_at=parse_time(shape["worked_at"]),
        finished_at=parse_time(shape["finished_at"]),
        resumed=tuple((one["actor"], require_time(one["at"])) for one in shape["resumed"]),
        proposed_until=parse_time(shape["proposed_until"]),
        agreed_at=parse_time(shape["agreed_at"]),
        stopped_at=parse_time(shape["stopped_at"]),
    )


@expect_shape()
def read_state(shape: Shape) -> str:
    """Return the state of an operation."""
    return str(shape["state"])


@expect_shape()
def parse_step(shape: Shape) -> OperationStep:
    """Return an item of an operation, without the operation's number in the store."""
    return OperationStep(
        act=0,
        number=shape["number"],
        item_id=shape["id"],
        outcome=None if shape["outcome"] is None else StepOutcome(shape["outcome"]),
        problem=shape["problem"],
        was=shape["was"],
        became=shape["became"],
        made=tuple(shape["made"]),
        at=parse_time(shape["at"]),
    )


def parse_report(shape: Shape) -> RunReport:
    """Return the report of a run."""
    with expect_shape():
        return RunReport(
            state=_run_state(shape["run_state"]),
            raw_state=shape["raw_state"],
            outputs=shape["outputs"],
            log=tuple(str(line) for line in shape["log"]),
            created_at=parse_time(shape["created_at"]),
            finished_at=parse_time(shape["finished_at"]),
            detail=str(shape["detail"] or ""),
            gone=shape["gone"] is True,
        )


def _body(shape: Shape) -> bytes:
    if (text := shape.get("body")) is not None:
        return bytes(text.encode())
    return b64decode(shape.get("body_base64") or "")


def _run_state(word: str | None) -> RunState | None:
    return None if word is None else RunState(word)
