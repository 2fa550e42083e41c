"""Events, deliveries, rejects and the overview for readers who may not see contents of payloads.

Reasons and problems may quote a payload, so the label of their cause stands in their place. Every
key of the full shape is present.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bridge.core.alert import Alert
from bridge.core.errors import BridgeError, PlatformRefused
from bridge.core.model import JSON, DeadKind, Delivery, Event, Reject
from bridge.core.operations import Operation, OperationState, OperationStep
from bridge.core.status import Overview, PlatformStatus
from bridge.delivery.causes import blank_text, find_cause
from bridge.services.event_details import EventDetails
from bridge.services.serializers import (
    delivery_json,
    event_json,
    item_json,
    operation_json,
)

Shape = dict[str, JSON]
#: Filters whose value may quote a payload.
CONTENT_FILTERS: Final = frozenset({"body", "reason", "where"})
#: Conditions whose text may have what a platform answered, which may quote the inputs of a start.
QUOTING_CONDITIONS: Final = frozenset({"circuit_open", "credentials_refused", "unknown"})
_ANSWER: Final = re.compile(r"(?:: | \().*", re.DOTALL)  # of a platform, behind flowbridge's words


def list_event(event: Event, deliveries: Sequence[Delivery], *, with_contents: bool) -> Shape:
    """Return an event in the shape of `events --json`."""
    shape = event_json(event, ())
    if not with_contents:
        shape = _hide_event(shape, event)
    shape["deliveries"] = [list_delivery(one, with_contents=with_contents) for one in deliveries]
    return shape


def list_delivery(delivery: Delivery, *, with_contents: bool) -> Shape:
    """Return a delivery in the shape of `deliveries --json`."""
    shape = delivery_json(delivery)
    return shape if with_contents else _hide_delivery(shape, delivery)


def describe_event(details: EventDetails, *, with_contents: bool) -> Shape:
    """Return an event in the shape of `show --json`."""
    shape = details.as_json()
    if with_contents:
        return shape
    known = {one.id: one for one in details.deliveries}
    deliveries = [
        _hide_whole_delivery(one, known[str(one["id"])]) for one in _records(shape["deliveries"])
    ]
    return _hide_event(shape, details.event) | {
        "deliveries": deliveries,
        "headers": None,
        "query_string": None,
        "body": None,
        "body_base64": None,
        "operations": [
            one | {"item": item | {"problem": _label(item["problem"])}}
            for one in _records(shape["operations"])
            if isinstance(item := one["item"], dict)
        ],
    }


def describe_reject(shape: Shape, reject: Reject, *, with_contents: bool) -> Shape:
    """Return a reject in one of its shapes; `shape` is the full one."""
    if with_contents:
        return shape
    hidden: Shape = dict.fromkeys(
        name
        for name in ("client", "path", "query_string", "headers", "body", "body_base64")
        if name in shape
    )
    return shape | hidden | {"reason": blank_text(reject.reason), "diagnosis": []}


def describe_unknown(shape: Shape, delivery: Delivery, *, with_contents: bool) -> Shape:
    """Return a delivery with its evidence; `shape` is that of `resolve --json`."""
    if with_contents:
        return shape
    attempt = shape["attempt"]
    hidden = _hide_attempt(attempt) if isinstance(attempt, dict) else None
    return _hide_delivery(shape, delivery) | {"evidence": None, "attempt": hidden, "commands": []}


def describe_run(shape: Shape, *, with_contents: bool) -> Shape:
    """Return a run in the shape of `flows runs --json`."""
    return shape if with_contents else shape | {"outputs": None}


def describe_report(shape: Shape, *, with_contents: bool) -> Shape:
    """Return the report of a run."""
    if with_contents:
        return shape
    return shape | {"outputs": None, "log": [], "detail": _label_answer(shape["detail"])}


def describe_platform_answer(
    shape: Mapping[str, JSON], *, with_contents: bool
) -> Mapping[str, JSON]:
    """Return what a platform answered to the start or the end of a run by hand.

    `shape` is that of `flows run --json` or of `flows kill --json`.
    """
    return shape if with_contents else {**shape, "detail": _label_answer(shape["detail"])}


def describe_failure(error: BridgeError, *, with_contents: bool) -> str:
    """Return the message of a call to a platform that failed."""
    if with_contents or not isinstance(error, PlatformRefused):
        return str(error)
    return f"{error.platform}: {_label_answer(error.answer)}"


def list_operation(operation: Operation, state: OperationState, *, with_contents: bool) -> Shape:
    """Return an operation in the shape of `operations --json`."""
    shape = operation_json(operation, state)
    if with_contents:
        return shape
    filters = operation.asked.get("filters")
    if isinstance(filters, dict):
        shown = {name: None if name in CONTENT_FILTERS else one for name, one in filters.items()}
        shape |= {"asked": {**operation.asked, "filters": shown}}
    return hide_reasons(shape)


def hide_answers(overview: Overview) -> Overview:
    """Return an overview without what platforms answered: a circuit has the cause of its reason."""
    return replace(
        overview,
        platforms=[_hide_circuit(one) for one in overview.platforms],
        stuck=[replace(one, problem=_ANSWER.sub("", one.problem)) for one in overview.stuck],
    )


def hide_alert(alert: Alert) -> Alert:
    """Return an alert without what a platform answered."""
    is_quoting = alert.key.partition(":")[0] in QUOTING_CONDITIONS
    return replace(alert, what=_ANSWER.sub("", alert.what)) if is_quoting else alert


def hide_reasons(shape: Shape) -> Shape:
    """Return the counts of an operation with the causes of reasons that may quote a payload."""
    left_out = shape["left_out"]
    if isinstance(left_out, dict):
        labels: Counter[str] = Counter()
        for reason, count in left_out.items():
            labels[_label(reason) or ""] += int(str(count))
        shape |= {"left_out": dict(labels)}
    if shape["problems"] is not None:
        problems = [
            one | {"problem": _label(one["problem"])} for one in _records(shape["problems"])
        ]
        shape |= {"problems": [*problems]}
    if isinstance(notes := shape["notes"], list):  # they quote what a platform answered
        shape |= {"notes": [_ANSWER.sub("", str(note)) for note in notes]}
    return shape


def list_item_with_deliveries(
    item: OperationStep, deliveries: Mapping[str, Delivery], *, with_contents: bool
) -> Shape:
    """Return an item of an operation, with the events that it made, and with the deliveries that it
    changed or made as they are now.

    `deliveries` are those that are still stored.
    """
    return list_item(item, with_contents=with_contents) | {
        "events": [*item.event_ids],
        "deliveries": [
            list_delivery(deliveries[id_], with_contents=with_contents)
            for id_ in item.delivery_ids
            if id_ in deliveries
        ],
    }


def list_item(item: OperationStep, *, with_contents: bool) -> Shape:
    """Return an item of an operation in the shape of `operations show --json`."""
    shape = item_json(item)
    return shape if with_contents else shape | {"problem": _label(item.problem)}


def _hide_circuit(one: PlatformStatus) -> PlatformStatus:
    if one.circuit is None:
        return one
    reason = _label_answer(one.circuit.reason)
    return replace(one, circuit=replace(one.circuit, reason=reason))


def _hide_event(shape: Shape, event: Event) -> Shape:
    files: list[JSON] = [
        {"field": None, "name": None, "type": one.type, "size": one.size, "sha256": None}
        for one in event.files
    ]
    return shape | {
        "problem": _label(event.problem),
        "spam": _label(event.spam),
        "client": None,
        "files": files,
    }


def _hide_delivery(shape: Shape, delivery: Delivery) -> Shape:
    return shape | {
        "reason": _label(delivery.reason, delivery.dead_kind),
        "outputs": None,
        "order_key": None,
    }


def _hide_whole_delivery(shape: Shape, delivery: Delivery) -> Shape:
    attempts: list[JSON] = [_hide_attempt(one) for one in _records(shape["attempt_list"])]
    wait = shape["waits_for"]
    return _hide_delivery(shape, delivery) | {
        "inputs": None,
        "log": [],
        "attempt_list": attempts,
        "evidence": None,
        "waits_for": wait | {"detail": None} if isinstance(wait, dict) else None,
    }


def _hide_attempt(shape: Shape) -> Shape:
    return shape | {"detail": _label(shape["detail"]), "outputs": None, "log": []}


def _label(text: JSON, dead_kind: DeadKind | None = None) -> str | None:
    return find_cause(text, dead_kind).label if isinstance(text, str) else None


def _label_answer(text: JSON) -> str | None:
    return _label(text, DeadKind.PLATFORM)


def _records(value: JSON) -> list[dict[str, JSON]]:
    return (
        [dict(one) for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
    )
