"""Conversion of records to rows, and back."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any

import orjson
from sqlalchemy import Row

from bridge.core.errors import DecryptionError
from bridge.core.model import (
    JSON,
    Attempt,
    DeadKind,
    Debounce,
    Delivery,
    Event,
    FormFile,
    Order,
    Retry,
    RunState,
    Status,
)
from bridge.delivery.reconcile import select_evidence
from bridge.store.encryption import Sealer
from bridge.store.tables.encrypted import COLUMNS_BY_TABLE, encrypt_row, row_name

_OPEN = (Status.SENDING.value, Status.UNKNOWN.value)
# Columns of an event: those that are encrypted or encoded, those that the database fills in, and
# the others, which have the value of the field.
_ENCODED = ("headers", "query_string", "body", "files", "client")
_FILLED_IN = ("same_body_as", "duplicates")
_COPIED = tuple(field.name for field in fields(Event) if field.name not in (*_ENCODED, *_FILLED_IN))
_read_copied = attrgetter(*_COPIED)
#: Of the row of a new event, in the order of `event_row`.
EVENT_COLUMNS = (*_COPIED, *_ENCODED)


def to_json(value: JSON) -> str | None:
    """Return the JSON text of `value`; None for None, so that a missing value is NULL.

    A payload, a platform's outputs or a flow's log must not fail a transaction: values that orjson
    refuses (lone surrogates, nesting deeper than 254) go to the slower writer, and a note replaces
    values that it cannot write either.
    """
    if value is None:
        return None
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        pass
    try:
        # orjson cannot read a lone surrogate, even as a valid escape.
        return (
            json.dumps(value, ensure_ascii=False, separators=(",", ":"))
            .encode("utf-8", "replace")
            .decode()
        )
    except RecursionError:
        return '"(nested too deeply to be stored)"'


def from_json(text: str | None) -> JSON:
    return None if text is None else orjson.loads(text)


def event_row(event: Event, sealer: Sealer) -> dict[str, Any]:
    """Return the row of an event by `EVENT_COLUMNS`, without those that the database fills in."""
    values = dict(zip(_COPIED, _read_copied(event), strict=True))
    values["headers"] = to_json(event.headers)
    values["query_string"] = event.query_string
    values["body"] = event.body
    values["files"] = to_json([asdict(file) for file in event.files]) if event.files else None
    values["client"] = event.client
    return encrypt_row(sealer, "event", event.id, values)


def to_event(row: Row[Any], sealer: Sealer) -> Event:
    """Return the event of a row."""
    values = row._mapping
    id_ = values["id"]
    return Event(
        **{name: values[name] for name in (*_COPIED, *_FILLED_IN)},
        headers=from_json(sealer.open(values["headers"], "event", "headers", id_)),
        query_string=sealer.open(values["query_string"], "event", "query_string", id_),
        body=sealer.open(values["body"], "event", "body", id_),
        files=files_of(values["files"], id_, sealer),
        client=sealer.open(values["client"], "event", "client", id_),
    )


def files_of(column: str | None, event_id: str, sealer: Sealer) -> tuple[FormFile, ...]:
    """Return the files in the `files` column of an event."""
    return tuple(
        FormFile(**file)
        for file in from_json(sealer.open(column, "event", "files", event_id)) or ()
    )


def delivery_row(delivery: Delivery, sealer: Sealer) -> dict[str, Any]:
    """Return the row of a planned delivery of a new event."""
    order = delivery.order
    debounce = delivery.debounce
    values = {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "route": delivery.route,
        "flow": delivery.flow,
        "platform": delivery.platform,
        "saved_item_id": delivery.saved_item_id,
        "status": delivery.status.value,
        "reason": delivery.reason,
        "created_at": delivery.created_at,
        "due_at": delivery.due_at,
        "finished_at": delivery.finished_at,
        "config_hash": delivery.config_hash,
        "retry_attempts": delivery.retry.attempts,
        "retry_first": delivery.retry.first,
        "retry_max": delivery.retry.max,
        "on_unknown": delivery.on_unknown,
        "run_timeout": delivery.run_timeout,
        "whole_body": delivery.whole_body,
        "inputs": to_json(delivery.inputs),
        "dead_kind": delivery.dead_kind and delivery.dead_kind.value,
        "on_run_failed": delivery.on_run_failed,
        "run_retries": delivery.run_retries,
        "order_key": order.key if order else None,
        "order_until": order.until if order else "run_end",
        "order_blocks": order is not None and order.blocks,
        "debounce_key": debounce.key if debounce else None,
        "debounce_until": debounce.until if debounce else None,
    }
    return encrypt_row(sealer, "delivery", delivery.id, values)


def delivery_again_row(delivery: Delivery, sealer: Sealer) -> dict[str, Any]:
    """Return the row of a delivery for which a stored event was planned again."""
    return {**delivery_row(delivery, sealer), "planned_again": True}


def to_delivery(row: Any, sealer: Sealer) -> Delivery:
    """Return the delivery of a row. If it cannot be decrypted, it has the error and no contents."""
    return Delivery(
        id=row.id,
        event_id=row.event_id,
        route=row.route,
        flow=row.flow,
        platform=row.platform,
        saved_item_id=row.saved_item_id,
        whole_body=bool(row.whole_body),
        status=Status(row.status),
        reason=row.reason,
        created_at=row.created_at,
        due_at=row.due_at,
        delivered_at=row.delivered_at,
        finished_at=row.finished_at,
        config_hash=row.config_hash,
        retry=Retry(row.retry_attempts, row.retry_first, row.retry_max),
        dead_kind=DeadKind(row.dead_kind) if row.dead_kind else None,
        on_unknown=row.on_unknown,
        on_run_failed=row.on_run_failed,
        run_retries=row.run_retries,
        run_timeout=row.run_timeout,
        order=_order(row) if row.order_key is not None else None,
        holds_key=bool(row.holds_key),
        debounce=_debounce(row) if row.debounce_until is not None else None,
        merged_into=row.merged_into,
        attempts=row.attempts,
        throttled=row.throttled,
        run_id=row.run_id,
        run_url=row.run_url,
        run_state=RunState(row.run_state) if row.run_state else None,
        raw_state=row.raw_state,
        reruns=row.reruns,
        look_at=row.poll_at if row.status == Status.UNKNOWN else None,
        lease=row.lease,
        **_content(row, sealer),
    )


def _content(row: Any, sealer: Sealer) -> dict[str, Any]:
    """Return the decrypted columns of a delivery, or the error."""
    try:
        inputs, outputs, log, evidence = [
            value if value is None else orjson.loads(sealer.open(value, "delivery", column, row.id))
            for column, value in (
                ("inputs", row.inputs),
                ("outputs", row.outputs),
                ("log", row.log),
                ("evidence", row.evidence),
            )
        ]
    except DecryptionError as error:
        return {"inputs": None, "unsealable": str(error)}
    return {
        "inputs": inputs,
        "outputs": outputs,
        "log": tuple(log or ()),
        # That of an earlier attempt says nothing about the run of a call whose outcome is open.
        "evidence": select_evidence(evidence, row.attempts + row.throttled)
        if row.status in _OPEN
        else evidence,
    }


def _order(row: Any) -> Order:
    return Order(key=row.order_key, until=row.order_until, blocks=bool(row.order_blocks))


def _debounce(row: Any) -> Debounce:
    return Debounce(key=row.debounce_key, until=row.debounce_until)


# without the clock readings, which only reconciliation uses
_OF_ATTEMPT = tuple(field.name for field in fields(Attempt))


def to_attempt(row: Row[Any], sealer: Sealer) -> Attempt:
    """Return the attempt of a row of the `attempt` table."""
    values = {column: row._mapping[column] for column in _OF_ATTEMPT}
    name = row_name(row.delivery_id, row.number)
    state = values["run_state"]
    opened = {
        column: sealer.open(values[column], "attempt", column, name)
        for column in COLUMNS_BY_TABLE["attempt"]
    }
    return Attempt(
        **values
        | {
            "run_state": RunState(state) if state else None,
            "detail": opened["detail"],
            "outputs": from_json(opened["outputs"]),
            "log": tuple(from_json(opened["log"]) or ()),
        }
    )
