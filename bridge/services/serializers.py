"""Serializers of events, deliveries, attempts and operations: every key is always present. Pure.

Times are ISO 8601 in UTC with microseconds and a Z, such as `2026-11-24T17:03:05.776753Z`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from bridge.core.model import JSON, Attempt, Delivery, Event, Reject
from bridge.core.scopes import list_scopes
from bridge.core.times import iso

#: What was counted before a person agreed to an operation.
COUNTS: Final = (
    "count",
    "by_route",
    "by_status",
    "left_out",
    "problems",
    "notes",
    "went_already",
    "examples",
)

if TYPE_CHECKING:
    from bridge.core.access_token import AccessToken
    from bridge.core.alert import Alert
    from bridge.core.operations import Operation, OperationState, OperationStep
    from bridge.delivery.wait_context import Wait
    from bridge.store.queue.hold import HeldCounts, Hold


def event_json(event: Event, deliveries: Iterable[Delivery]) -> dict[str, JSON]:
    """Return an event and all its deliveries."""
    return {
        "id": event.id,
        "source": event.source,
        "provider": event.provider,
        "type": event.type,
        "provider_id": event.provider_id,
        "received_at": iso(event.received_at),
        "problem": event.problem,
        "config_hash": event.config_hash,
        "body_sha256": event.body_sha256,
        "same_body_as": event.same_body_as,
        "duplicates": event.duplicates,
        "sender_retry": event.sender_retry,
        "files": [asdict(file) for file in event.files],
        "spam": event.spam,
        "client": event.client,
        "deliveries": [delivery_json(delivery) for delivery in deliveries],
    }


def reject_json(reject: Reject, diagnosis: Sequence[str]) -> dict[str, JSON]:
    """Return a reject, with the diagnosis of its failure."""
    return {
        "id": reject.id,
        "source": reject.source,
        "provider": reject.provider,
        "received_at": iso(reject.received_at),
        "reason": reject.reason,
        "diagnosis": list(diagnosis),
        "client": reject.client,
        "size": reject.size,
        "cut": reject.cut,
        "readmitted_at": iso(reject.readmitted_at),
        "events": list(reject.event_ids),
    }


def whole_reject_json(reject: Reject, diagnosis: Sequence[str]) -> dict[str, JSON]:
    """Return a reject with its request: `body` is text, or null beside `body_base64` if it is not
    UTF-8.
    """
    return reject_json(reject, diagnosis) | {
        "method": reject.method,
        "path": reject.path,
        "query_string": reject.query_string,
        "headers": dict(reject.headers),
        **_body(reject.body),
    }


def delivery_json(delivery: Delivery) -> dict[str, JSON]:
    """Return a delivery."""
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "route": delivery.route,
        "flow": delivery.flow,
        "platform": delivery.platform,
        "status": delivery.status.value,
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "throttled": delivery.throttled,
        "run_id": delivery.run_id,
        "run_url": delivery.run_url,
        "run_state": delivery.run_state.value if delivery.run_state else None,
        "outputs": delivery.outputs,
        "created_at": iso(delivery.created_at),
        "due_at": iso(delivery.due_at),
        "delivered_at": iso(delivery.delivered_at),
        "finished_at": iso(delivery.finished_at),
        "dead_kind": delivery.dead_kind.word if delivery.dead_kind else None,
        "order_key": delivery.order.key if delivery.order else None,
        "merged_into": delivery.merged_into,
        "reruns": delivery.reruns,
    }


def attempt_json(attempt: Attempt) -> dict[str, JSON]:
    """Return an attempt; without an outcome it is in progress.

    `run_state` and the keys after it are those of a run that another one replaced.
    """
    return {
        "number": attempt.number,
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "outcome": attempt.outcome,
        "status_code": attempt.status_code,
        "detail": attempt.detail,
        "run_id": attempt.run_id,
        "run_state": attempt.run_state.value if attempt.run_state else None,
        "run_finished_at": iso(attempt.run_finished_at),
        "outputs": attempt.outputs,
        "log": list(attempt.log),
        "late_at": iso(attempt.late_at),
    }


def operation_json(act: Operation, state: OperationState) -> dict[str, JSON]:
    """Return an operation in this state, without its items.

    `count` and the keys after it are those of a request over HTTP, null for a command.
    """
    counted = act.counted or {}
    return {
        "id": act.id,
        "command": act.command,
        "state": state.value,
        "actor": act.actor,
        "created_at": iso(act.created_at),
        "asked": dict(act.asked),
        "chosen": act.chosen,
        "done": act.done,
        "refused": act.refused,
        "worked_at": iso(act.worked_at),
        "finished_at": iso(act.finished_at),
        "resumed": [{"actor": actor, "at": iso(at)} for actor, at in act.resumed],
        "proposed_until": iso(act.proposed_until),
        "agreed_at": iso(act.agreed_at),
        "stopped_at": iso(act.stopped_at),
        **{name: counted.get(name) for name in COUNTS},
    }


def item_json(item: OperationStep) -> dict[str, JSON]:
    """Return one item of an operation; `outcome` is null until it is processed."""
    return {
        "number": item.number,
        "id": item.item_id,
        "outcome": item.outcome.value if item.outcome else None,
        "problem": item.problem,
        "was": item.was,
        "became": item.became,
        "made": list(item.made),
        "at": iso(item.at),
    }


def token_json(token: AccessToken) -> dict[str, JSON]:
    """Return an access token, which never includes its secret."""
    return {
        "id": token.id,
        "name": token.name,
        "scopes": list_scopes(token.scopes),
        "created_at": iso(token.created_at),
        "used_at": iso(token.used_at),
        "ends_at": iso(token.ends_at),
    }


def alert_json(one: Alert, *, notifies: bool, over: bool) -> dict[str, JSON]:
    """Return an alert. `notifies`: a route subscribes to alerts. `over`: its condition is over."""
    condition, _, subject = one.key.partition(":")
    return {
        "key": one.key,
        "condition": condition,
        "subject": subject or None,
        "severity": one.severity,
        "state": one.state,
        "over": over,
        "summary": one.what,
        "what_to_do": one.do,
        "since": iso(one.since),
        "told": one.told,
        "notified": one.told if notifies else 0,
        "told_at": iso(one.told_at),
    }


def hold_json(found: Hold | None, waiting: HeldCounts) -> dict[str, JSON]:
    """Return the hold of starts, null where there is none, with the counts of what waits."""
    return {
        "since": None if found is None else iso(found.since),
        "reason": None if found is None else found.reason,
        "taken_at": None if found is None else iso(found.taken_at),
        "before": waiting.before,
        "after": waiting.after,
        "unknown": waiting.unknown,
        "runs": waiting.runs,
    }


def evidence_json(value: JSON) -> JSON:
    """Return the evidence from the platform's list of runs, with its times in ISO 8601."""
    if isinstance(value, list):
        return [evidence_json(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: iso(each) if _is_time(name, each) else evidence_json(each)
        for name, each in value.items()
    }


def _is_time(name: str, value: JSON) -> bool:
    is_named = name.endswith(("_at", "_since")) or name in ("since", "until")
    return is_named and isinstance(value, int | float) and not isinstance(value, bool)


def wait_json(wait: Wait | None) -> dict[str, JSON] | None:
    """Return the wait reason of a delivery, None if it does not wait."""
    return (
        None
        if wait is None
        else {
            "kind": wait.kind,
            "detail": wait.detail,
            "until": iso(wait.until),
            "behind": wait.behind,
        }
    )


def _body(body: bytes) -> dict[str, JSON]:
    try:
        return {"body": body.decode(), "body_base64": None}
    except UnicodeDecodeError:
        return {"body": None, "body_base64": b64encode(body).decode()}


def whole_event_json(
    event: Event,
    deliveries: Iterable[Delivery],
    attempts: Mapping[str, Sequence[Attempt]],
    waits: Mapping[str, Wait],
    acts: Iterable[tuple[Operation, OperationStep]],
) -> dict[str, JSON]:
    """Return an event with everything that is stored of it.

    Beyond `event_json`: `headers`, `query_string`, `body` (text) or `body_base64` (if it is not
    UTF-8), the other null; `operations` on it and its deliveries; and of each delivery `inputs`,
    `log`, `evidence`, `waits_for` and `attempt_list` (`attempts` is the number of those that
    count).
    """
    shape = event_json(event, ())
    shape["deliveries"] = [
        _whole_delivery(one, attempts.get(one.id, ()), waits.get(one.id)) for one in deliveries
    ]
    shape |= {
        "headers": dict(event.headers),
        "query_string": event.query_string,
        **_body(event.body),
    }
    shape["operations"] = [
        {"id": act.id, "command": act.command, "actor": act.actor} | {"item": item_json(item)}
        for act, item in acts
    ]
    return shape


def _whole_delivery(
    delivery: Delivery, attempts: Sequence[Attempt], wait: Wait | None
) -> dict[str, JSON]:
    return delivery_json(delivery) | {
        "inputs": delivery.inputs,
        "log": list(delivery.log),
        "attempt_list": [attempt_json(each) for each in attempts],
        "evidence": evidence_json(delivery.evidence),
        "waits_for": wait_json(wait),
    }
