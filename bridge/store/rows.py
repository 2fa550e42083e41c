"""Records to rows and back."""

from __future__ import annotations

import json
from typing import Any

import orjson
from sqlalchemy import Row

from bridge.model import JSON, Delivery, Event, Retry, RunState, Status


def to_json(value: JSON) -> str | None:
    """Return the JSON text of `value`; None for None, so that an absent value is NULL.

    A payload, a platform's outputs or a flow's log must never be what a transaction fails by: what orjson refuses (lone surrogates,
    nesting deeper than 254) is written by the slower writer, and what that cannot write either, by a note.
    """
    if value is None:
        return None
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        pass
    try:
        # A lone surrogate, though valid as an escape, is one that orjson would not read again.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()
    except RecursionError:
        return '"(nested too deep to be kept)"'


def from_json(text: str | None) -> JSON:
    return None if text is None else orjson.loads(text)


def event_row(event: Event) -> dict[str, Any]:
    """Return the columns of an event, without those the database fills in."""
    return {
        "id": event.id,
        "source": event.source,
        "provider": event.provider,
        "type": event.type,
        "provider_id": event.provider_id,
        "received_at": event.received_at,
        "config_hash": event.config_hash,
        "problem": event.problem,
        "body_sha256": event.body_sha256,
        "headers": to_json(event.headers),
        "query_string": event.query_string,
        "body": event.body,
    }


def to_event(row: Row[Any]) -> Event:
    """Return the event of a row of the `event` table."""
    values = row._mapping
    return Event(
        id=values["id"],
        source=values["source"],
        provider=values["provider"],
        type=values["type"],
        provider_id=values["provider_id"],
        received_at=values["received_at"],
        headers=from_json(values["headers"]),
        query_string=values["query_string"],
        body=values["body"],
        body_sha256=values["body_sha256"],
        config_hash=values["config_hash"],
        problem=values["problem"],
        same_body_as=values["same_body_as"],
        duplicates=values["duplicates"],
    )


def delivery_row(delivery: Delivery) -> dict[str, Any]:
    """Return the columns that planning decides."""
    return {
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
    }


def to_delivery(row: Row[Any]) -> Delivery:
    """Return the delivery of a row of the `delivery` table."""
    values = row._mapping
    return Delivery(
        id=values["id"],
        event_id=values["event_id"],
        route=values["route"],
        flow=values["flow"],
        platform=values["platform"],
        saved_item_id=values["saved_item_id"],
        inputs=from_json(values["inputs"]),
        whole_body=bool(values["whole_body"]),
        status=Status(values["status"]),
        reason=values["reason"],
        created_at=values["created_at"],
        due_at=values["due_at"],
        delivered_at=values["delivered_at"],
        finished_at=values["finished_at"],
        config_hash=values["config_hash"],
        retry=Retry(values["retry_attempts"], values["retry_first"], values["retry_max"]),
        on_unknown=values["on_unknown"],
        run_timeout=values["run_timeout"],
        attempts=values["attempts"],
        throttled=values["throttled"],
        run_id=values["run_id"],
        run_url=values["run_url"],
        run_state=RunState(values["run_state"]) if values["run_state"] else None,
        raw_state=values["raw_state"],
        outputs=from_json(values["outputs"]),
        log=tuple(from_json(values["log"]) or ()),
        lease=values["lease"],
    )
