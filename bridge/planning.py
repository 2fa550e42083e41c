"""Match, reshape, validate: turn one event into the deliveries that the routes make of it. Pure.

Nothing is dropped here: a route whose expression fails, whose schema refuses the payload, or whose inputs use a reserved name
leaves a delivery that is `dead` with the reason, so that it is seen and can be replayed after the route is mended.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from urllib.parse import parse_qsl, unquote_plus

from bridge.bodies import Body
from bridge.errors import ExpressionError
from bridge.matching import match_type
from bridge.model import JSON, Delivery, Event, Status
from bridge.routes import Context, Mode, Route, Validator
from bridge.templates import RESERVED_INPUTS

MASK = "***"


def context(event: Event, body: Body, now: float) -> Context:
    """Return the roots that expressions see. Masked credentials are not among the headers and the query."""
    return {
        "body": body.value,
        "form": body.form,
        "files": [],
        "headers": {name: value for name, value in event.headers.items() if value != MASK},
        "query": {name: value for name, value in parse_qsl(event.query_string, keep_blank_values=True) if value != MASK},
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


def plan(event: Event, body: Body, routes: Iterable[Route], now: float, nonce: str = "") -> list[Delivery]:
    """Return one delivery for each route that `event` matches or that fails on it.

    `nonce` tells plannings of the same event apart (a replay): a delivery's id follows from event, route and nonce.
    """
    roots = context(event, body, now)
    deliveries = []
    for route in routes:
        if not match_type(route.types, event.type):
            continue
        try:
            if route.match is not None and not route.match(roots):
                continue
            inputs, reason = _inputs(route, roots)
        except ExpressionError as error:
            inputs, reason = None, str(error)
        deliveries.append(_delivery(event, route, inputs, reason, now, nonce))
    return deliveries


def _inputs(route: Route, roots: Context) -> tuple[JSON, str | None]:
    """Return the flow's inputs and, where they must not be sent, why."""
    problem = _invalid(route.payload_schema, roots["body"], "the payload does not fit payload_schema")
    if problem:
        return None, problem
    inputs = route.reshape(roots)
    if not isinstance(inputs, dict):
        return None, f"inputs must be an object, but the expression gave {_kind(inputs)}"
    reserved = sorted(name for name in inputs if name.lower() in RESERVED_INPUTS)
    if reserved and not route.drop_reserved:
        return inputs, f"the inputs use names that the platform reserves: {', '.join(reserved)} (reserved: drop leaves them out)"
    if reserved:
        inputs = {name: value for name, value in inputs.items() if name not in reserved}
    return inputs, _invalid(route.inputs_schema, inputs, "the inputs do not fit inputs_schema")


def _invalid(schema: Validator | None, value: JSON, what: str) -> str | None:
    errors = schema.errors(value) if schema is not None else []
    return f"{what}: " + "; ".join(f"{path}: {message}" for path, message in errors) if errors else None


def _delivery(event: Event, route: Route, inputs: JSON, reason: str | None, now: float, nonce: str) -> Delivery:
    status = Status.DEAD if reason else Status.SHADOW if route.mode is Mode.SHADOW else Status.QUEUED
    return Delivery(
        id=delivery_id(event.id, route.name, nonce),
        event_id=event.id,
        route=route.name,
        flow=route.flow.name,
        platform=route.flow.platform,
        saved_item_id=route.flow.saved_item_id,
        inputs=inputs,
        whole_body=route.whole_body,
        status=status,
        reason=reason and reason.replace("\0", "\ufffd"),  # it may quote the payload, and PostgreSQL's texts hold no NUL
        created_at=now,
        due_at=now,
        finished_at=now if reason else None,
        config_hash=event.config_hash,
        retry=route.retry,
        on_unknown=route.on_unknown,
        run_timeout=route.run_timeout,
    )


def delivery_id(event_id: str, route: str, nonce: str = "") -> str:
    """Return the delivery's id: its event's, and eight letters that follow from route and nonce.

    Ids that begin alike sort beside each other, which keeps the index of a growing queue compact.
    """
    return f"dlv_{event_id.partition('_')[2]}{_letters(route, nonce)}"


@lru_cache(maxsize=1024)
def _letters(route: str, nonce: str) -> str:
    return b32encode(hashlib.sha256(f"{route}\0{nonce}".encode()).digest()[:5]).decode().lower()


def _kind(value: JSON) -> str:
    names = {str: "a string", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), "something else")


def masked(event: Event, locators: Collection[str]) -> Event:
    """Return `event` with what stands at these locators (`header:authorization`, `query:token`) replaced by a mask."""
    headers, query = hidden(event.headers, event.query_string, locators)
    return event if headers is event.headers and query is event.query_string else replace(event, headers=headers, query_string=query)


def hidden(headers: Mapping[str, str], query_string: str, locators: Collection[str]) -> tuple[Mapping[str, str], str]:
    """Return headers and query with what stands at the locators replaced by a mask; the same objects where there is nothing."""
    names = [name for locator in locators if locator.startswith("header:") and (name := locator[7:]) in headers]
    if names:
        headers = {**headers, **dict.fromkeys(names, MASK)}
    if query_string:
        query_string = "&".join(
            f"{name}={MASK}" if f"query:{unquote_plus(name)}" in locators else pair
            for pair in query_string.split("&")
            for name in [pair.partition("=")[0]]
        )
    return headers, query_string
