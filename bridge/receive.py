"""Receive one request: verify, read, identify, plan, keep, answer. Pure: the store, the time and a new id are arguments.

This is the first half of the product, top to bottom. A request becomes an event only below `verify`; it is answered only below
`keep`, which returns when the event is on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import orjson

from bridge.bodies import Body, decode
from bridge.errors import Refused
from bridge.forms import field_errors, type_fields
from bridge.locate import locate
from bridge.model import Delivery, Event, Request
from bridge.planning import masked, plan
from bridge.providers import Reply
from bridge.routes import Config, Source

NAME_LENGTH = 200  # characters of a type and of a provider's id
PLANNING_FAILED = "planning failed by a fault of flowbridge's own"


class Kept(Protocol):
    """What the store made of a request."""

    @property
    def event_id(self) -> str:
        """The event's id: the known one's where this is a duplicate."""

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The deliveries that are new."""

    @property
    def duplicate(self) -> bool:
        """Whether it only repeats a known event."""


Keep = Callable[[Event, Sequence[Delivery], Callable[[Event, str], Sequence[Delivery]]], Kept]


@dataclass(frozen=True, slots=True)
class Received:
    """What is answered, and what the log line says: the event (None for a handshake) and what was kept of it."""

    reply: Reply
    event: Event | None = None
    kept: Kept | None = None
    fault: Exception | None = None


def receive(request: Request, source: Source, config: Config, *, keep: Keep, now: float, event_id: str) -> Received:
    """Turn a request into a stored event and its answer.

    Raises `BadSignature` (401), `Refused` (its own status) and whatever `keep` raises when nothing could be kept (503).
    """
    if request.method != "POST":
        raise Refused(405, "method_not_allowed", "webhooks are sent with POST", headers={"Allow": "POST"})
    shake = source.provider.handshake
    body = read_body(source, request.headers.get("content-type", ""), request.body) if shake and not shake.signed else None
    if body is not None and shake and (answer := shake.answer(request, body.value)):
        return Received(answer)
    source.scheme.verify(request, source.secrets, now)
    body = body or read_body(source, request.headers.get("content-type", ""), request.body)
    if shake and shake.signed and (answer := shake.answer(request, body.value)):
        return Received(answer)
    _check_form(source, body)
    event = _identify(request, source, body, config, now, event_id)
    deliveries, fault = _plan(event, body, config, now)
    if fault is not None:
        event = replace(event, problem=PLANNING_FAILED)
    kept = keep(event, deliveries, lambda known, nonce: replan(known, config, now, nonce))
    return Received(source.provider.ack or _acknowledge(kept), event, kept, fault)


def read_body(source: Source, content_type: str, raw: bytes) -> Body:
    """Return what a body of this source says; a form's fields are typed by the source's schema."""
    wrapped = source.provider.body.partition(":")[2] or None
    body = decode(content_type, raw, max_depth=source.max_depth, wrapped_in=wrapped)
    if source.schema_document is None or not isinstance(body.value, dict):
        return body
    fields = type_fields(body.value, source.schema_document)
    return Body(value=fields, form=fields, files=body.files, problem=body.problem)


def replan(event: Event, config: Config, now: float, nonce: str) -> list[Delivery]:
    """Plan a stored event through the present routes; an event whose source is gone or whose body cannot be read gives nothing."""
    source = config.sources.get(event.source)
    if source is None:
        return []
    body = read_body(source, event.headers.get("content-type", ""), event.body)
    present = replace(event, config_hash=config.hash)  # a delivery is frozen with the configuration that planned it
    return plan(present, body, config.routes_of(event.source), now, nonce) if body.problem is None else []


def _check_form(source: Source, body: Body) -> None:
    """A form is checked before it is kept, so that the person who sent it can mend it."""
    if source.provider.name != "form":
        return
    if body.files:
        raise Refused(415, "files_not_supported", f"this form takes no files (field {body.files[0]!r})")
    if body.problem or not isinstance(body.value, dict):
        raise Refused(400, "unreadable", body.problem or "a form posts fields: an object of names and values")
    errors = field_errors(body.value, source.schema) if source.schema else {}
    if errors:
        raise Refused(422, "invalid", "some fields are not right", fields=errors)


#: What makes two requests of a source the same event, by its `dedup`.
DEDUP: Mapping[str, Callable[[Source, Request, Body, str], str | None]] = {
    "id": lambda source, request, body, _: locate(source.event_id, request, body.value),
    "body": lambda _source, _request, _body, digest: f"sha256:{digest}",
    "none": lambda *_: None,
}


def _identify(request: Request, source: Source, body: Body, config: Config, now: float, event_id: str) -> Event:
    digest = hashlib.sha256(request.body).hexdigest()
    event = Event(
        id=event_id,
        source=source.name,
        provider=source.provider.name,
        type=_fit_type(locate(source.event_type, request, body.value)),
        provider_id=_fit_id(DEDUP[source.dedup](source, request, body, digest)),
        received_at=now,
        headers=request.headers,
        query_string=request.query_string,
        body=request.body,
        body_sha256=digest,
        config_hash=config.hash,
        problem=body.problem,
    )
    return masked(event, source.credentials)


def _fit_type(text: str | None) -> str | None:
    """A type comes from the sender and goes into columns, logs and terminals: one short printable line."""
    return text and "".join(char if char.isprintable() else "\ufffd" for char in text[:NAME_LENGTH])


def _fit_id(text: str | None) -> str | None:
    """The same for an id, which must stay unique: one that does not fit is known by its digest."""
    if text is None or (len(text) <= NAME_LENGTH and text.isprintable()):
        return text
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def _plan(event: Event, body: Body, config: Config, now: float) -> tuple[list[Delivery], Exception | None]:
    """Plan, and survive it: a sender such as GitHub never tries again, so an event is kept even where we have a bug."""
    if body.problem is not None:
        return [], None
    try:
        return plan(event, body, config.routes_of(event.source), now), None
    except Exception as fault:  # the edge logs it
        return [], fault


def _acknowledge(kept: Kept) -> Reply:
    if kept.duplicate:
        return Reply(200, body=orjson.dumps({"event_id": kept.event_id, "duplicate": True}))
    return Reply(202, body=orjson.dumps({"event_id": kept.event_id, "deliveries": len(kept.deliveries)}))
