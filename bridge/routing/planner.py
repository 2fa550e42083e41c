"""Plan the deliveries of an event: match, reshape and validate it for each route. Pure.

Nothing is dropped. If an expression fails, a schema rejects the payload or the inputs use a
reserved name, the delivery is `dead` with the reason: it can be replayed after the route is fixed.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from collections.abc import Iterable
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import orjson

from bridge.core.errors import ExpressionError
from bridge.core.masking import MASK
from bridge.core.model import JSON, Body, DeadKind, Debounce, Delivery, Event, Order, Status
from bridge.providers.registry import PROVIDERS
from bridge.routing.matching.matcher import match_type
from bridge.routing.model import Context, Mode, Route
from bridge.routing.schemas.validator import Validator
from bridge.routing.templates import RESERVED_INPUTS, Inputs

MAX_KEY_LENGTH = 200  # characters of an order_by or debounce key
_DELIVERY_ID = re.compile(r"dlv_([0-9a-z]{26})[a-z2-7]{8}")


def build_context(event: Event, body: Body, now: float) -> Context:
    """Return the roots of expressions.

    Masked credentials are left out of the headers and the query; the body has the mask.
    """
    return {
        "body": body.value,
        "form": body.form,
        "fields": read_form_fields(event, body),
        "files": [asdict(file) for file in body.files],
        "headers": {name: value for name, value in event.headers.items() if value != MASK},
        "query": {
            name: value
            for name, value in parse_qsl(event.query_string, keep_blank_values=True)
            if value != MASK
        },
        "event": {
            "id": event.id,
            "type": event.type,
            "source": event.source,
            "provider": event.provider,
            "provider_id": event.provider_id,
            "received_at": event.received_at,
        },
        "now": now,
    }


def read_form_fields(event: Event, body: Body) -> JSON:
    """Return the filled-in fields of a form or a form service, as {label: value}; else null.

    A file is represented by its name.
    """
    row = PROVIDERS.get(event.provider)
    if row is not None and row.fields is not None:
        return row.fields(body.value)
    files = [asdict(file) for file in body.files]
    return (
        body.form
        if not files or body.form is None
        else {name: _by_name(value, files) for name, value in body.form.items()}
    )


def _by_name(value: JSON, files: list[JSON]) -> JSON:
    if isinstance(value, list):
        return [_by_name(element, files) for element in value]
    return value["name"] if isinstance(value, dict) and value in files else value


def plan(
    event: Event,
    body: Body,
    routes: Iterable[Route],
    now: float,
    nonce: str = "",
    *,
    roots: Context | None = None,
) -> list[Delivery]:
    """Return one delivery for each route that matches the event or fails on it.

    `nonce` distinguishes replays of the same event: a delivery's id follows from event, route,
    nonce and, if the route starts several flows, the flow. `roots`: the result of `build_context`,
    where the caller has it.
    """
    if roots is None:
        roots = build_context(event, body, now)
    deliveries = []
    for route in routes:
        if not match_type(route.types, event.type):
            continue
        order = None
        debounce = None
        try:
            if route.match is not None and not route.match(roots):
                continue
            order = _order(route, roots)
            debounce = _debounce(route, roots, now)
            inputs, reason = _inputs(route, roots)
        except ExpressionError as error:
            inputs = None
            reason = str(error)
        planned = _delivery(event, route, inputs, reason, now, nonce)
        deliveries.append(
            replace(planned, **_waits(planned, order, debounce)) if order or debounce else planned
        )
    return deliveries


def find_omitted_inputs(deliveries: Iterable[Delivery], routes: Iterable[Route]) -> list[str]:
    """Return the names of the inputs that were left out because the event has no value."""
    shapes = {route.name: route.reshape for route in routes}
    names: dict[str, None] = {}
    for delivery in deliveries:
        shape = shapes.get(delivery.route)
        if (
            isinstance(shape, Inputs)
            and isinstance(delivery.inputs, dict)
            and len(delivery.inputs) < len(shape.each)
        ):
            names |= dict.fromkeys(name for name in shape.each if name not in delivery.inputs)
    return list(names)


def _order(route: Route, roots: Context) -> Order | None:
    rule = route.ordering
    key = None if rule is None else _key(route, "order_by", rule.key(roots))
    return (
        None
        if rule is None or key is None
        else Order(key=key, until=rule.until, blocks=rule.blocks)
    )


def _debounce(route: Route, roots: Context, now: float) -> Debounce | None:
    rule = route.debounce
    key = (
        None
        if rule is None
        else _key(route, "debounce", "" if rule.key is None else rule.key(roots))
    )
    return None if rule is None or key is None else Debounce(key=key, until=now + rule.max)


def _key(route: Route, what: str, value: JSON) -> str | None:
    """Return the text of a key: a string as it is, others as JSON, a long one as its digest.

    If a route starts several flows, each has its own keys, so the name of the flow is prepended.
    """
    if value is None:
        return None
    try:
        text = (
            value
            if isinstance(value, str)
            else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        )
    except TypeError:
        raise ExpressionError(
            f"the value of {what} cannot be a key: it is nested too deep, or is not valid Unicode"
        ) from None
    if route.has_siblings:
        text = f"{route.flow.name}: {text}"
    fits = len(text) <= MAX_KEY_LENGTH and text.isprintable()
    return (
        text
        if fits
        else f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"
    )


def _waits(planned: Delivery, order: Order | None, debounce: Debounce | None) -> dict[str, Any]:
    """Return the ordering and debouncing fields of a delivery.

    A dead one is not debounced, but may block its ordering key.
    """
    if planned.status is Status.QUEUED:
        return {"order": order, "debounce": debounce}
    return (
        {"order": order}
        if planned.status is Status.DEAD and order is not None and order.blocks
        else {}
    )


def _inputs(route: Route, roots: Context) -> tuple[JSON, str | None]:
    """Return the flow's inputs and, if they must not be sent, the reason."""
    problem = _invalid(
        route.payload_schema, roots["body"], "the payload does not fit payload_schema"
    )
    if problem:
        return None, problem
    inputs = route.reshape(roots)
    if not isinstance(inputs, dict):
        return None, f"inputs must be an object, but the expression gave {_kind(inputs)}"
    reserved = sorted(name for name in inputs if name.lower() in RESERVED_INPUTS)
    if reserved and not route.drop_reserved:
        return (
            inputs,
            (
                f"the inputs use names that the platform reserves: {', '.join(reserved)} (reserved:"
                " drop omits them)"
            ),
        )
    if reserved:
        inputs = {name: value for name, value in inputs.items() if name not in reserved}
    return inputs, _invalid(route.inputs_schema, inputs, "the inputs do not fit inputs_schema")


def _invalid(schema: Validator | None, value: JSON, what: str) -> str | None:
    errors = schema.errors(value) if schema is not None else []
    return (
        f"{what}: " + "; ".join(f"{path}: {message}" for path, message in errors)
        if errors
        else None
    )


def _delivery(
    event: Event, route: Route, inputs: JSON, reason: str | None, now: float, nonce: str
) -> Delivery:
    status = (
        Status.DEAD if reason else Status.SHADOW if route.mode is Mode.SHADOW else Status.QUEUED
    )
    return Delivery(
        id=delivery_id(event.id, route.name, nonce, route.flow.name if route.has_siblings else ""),
        event_id=event.id,
        route=route.name,
        flow=route.flow.name,
        platform=route.flow.platform,
        saved_item_id=route.flow.saved_item_id,
        inputs=inputs,
        whole_body=route.whole_body,
        status=status,
        # it may quote the payload, and PostgreSQL's texts cannot contain NUL
        reason=reason and reason.replace("\0", "\ufffd"),
        dead_kind=DeadKind.OURS if reason else None,
        created_at=now,
        due_at=now + (route.debounce.wait if route.debounce is not None else route.delay),
        finished_at=now if reason else None,
        config_hash=event.config_hash,
        retry=route.retry,
        on_unknown=route.on_unknown,
        on_run_failed=route.on_run_failed,
        run_retries=route.run_retries,
        run_timeout=route.run_timeout,
    )


def delivery_id(event_id: str, route: str, nonce: str = "", flow: str = "") -> str:
    """Return the id of a delivery: its event's id, and eight letters from route, nonce and flow.

    The ids of new deliveries sort next to each other, which keeps the queue's index compact.
    """
    return f"dlv_{event_id.partition('_')[2]}{_letters(route, nonce, flow)}"


def event_id_of(delivery_id: str) -> str | None:
    """Return the event id contained in a delivery id, or None if it is not a delivery id."""
    match = _DELIVERY_ID.fullmatch(delivery_id)
    return f"evt_{match[1]}" if match else None


@lru_cache(maxsize=1024)
def _letters(route: str, nonce: str, flow: str) -> str:
    named = f"{route}\0{nonce}" + (f"\0{flow}" if flow else "")
    return b32encode(hashlib.sha256(named.encode()).digest()[:5]).decode().lower()


def _kind(value: JSON) -> str:
    names = {
        str: "a string",
        list: "a list",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "null" if value is None else names.get(type(value), "something else")
