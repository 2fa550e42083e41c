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
from bridge.locate import dig, locate
from bridge.model import JSON, Delivery, Event, Request
from bridge.planning import masked, plan
from bridge.providers import Handshake, Probe, Reply
from bridge.routes import Config, Source
from bridge.signatures import NO_KEYS, Keys

MAX_BATCH = 1000  # events in one request
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


Arrivals = Sequence[tuple[Event, Sequence[Delivery]]]
Keep = Callable[[Arrivals, Callable[[Event, str], Sequence[Delivery]]], Sequence[Kept]]


@dataclass(frozen=True, slots=True)
class Received:
    """What is answered, and what the log lines say: the events with what was kept of each (none for a handshake)."""

    reply: Reply
    kept: tuple[tuple[Event, Kept], ...] = ()
    fault: Exception | None = None


def receive(request: Request, source: Source, config: Config, *, keep: Keep, now: float, new_id: Callable[[], str],
            keys: Keys = NO_KEYS) -> Received:  # fmt: skip
    """Turn a request into stored events, nearly always one, and its answer. `keys` gets those that senders publish.

    Raises `BadSignature` (401), `Refused` (its own status) and whatever `keep` raises when nothing could be kept (503).
    """
    shakes = [shake for shake in source.provider.handshakes if request.method in shake.methods]
    if request.method != "POST" and not shakes:
        allowed = sorted({"POST"}.union(*(shake.methods for shake in source.provider.handshakes)))
        raise Refused(405, "method_not_allowed", "webhooks are sent with POST", headers={"Allow": ", ".join(allowed)})
    body = None
    if unsigned := [shake for shake in shakes if not shake.signed]:
        body = read_body(source, request.headers.get("content-type", ""), request.body)
        if answer := _answer(unsigned, request, source, body, now):
            return Received(answer)
    source.scheme.verify(request, source.secrets, now, keys)
    body = body or read_body(source, request.headers.get("content-type", ""), request.body)
    if answer := _answer([shake for shake in shakes if shake.signed], request, source, body, now):
        return Received(answer)
    if request.method != "POST":
        raise Refused(405, "method_not_allowed", "this is no test of the URL, and webhooks are sent with POST", headers={"Allow": "POST"})
    _check_form(source, body)
    return _keep(split(request, source, body), source, config, keep, now, new_id)


def _answer(shakes: Sequence[Handshake], request: Request, source: Source, body: Body, now: float) -> Reply | None:
    if not shakes:
        return None
    secrets = tuple(secret.value for secret in source.secrets if secret.not_after is None or secret.not_after > now)
    probe = Probe(request, body.value, secrets)
    return next((answer for shake in shakes if (answer := shake.answer(probe))), None)


def _keep(parts: Sequence[tuple[Request, Body]], source: Source, config: Config, keep: Keep, now: float,
          new_id: Callable[[], str]) -> Received:  # fmt: skip
    arrivals, fault = [], None
    for request, body in parts:
        event = _identify(request, source, body, config, now, new_id())
        deliveries, failed = _plan(event, body, config, now)
        if failed is not None:
            event, fault = replace(event, problem=PLANNING_FAILED), failed
        arrivals.append((event, deliveries))
    kept = keep(arrivals, lambda known, nonce: replan(known, config, now, nonce))
    reply = source.provider.ack or (_acknowledge(kept[0]) if len(kept) == 1 else _acknowledge_all(kept))
    return Received(reply, tuple((event, one) for (event, _), one in zip(arrivals, kept, strict=True)), fault)


def split(request: Request, source: Source, body: Body) -> list[tuple[Request, Body]]:
    """Return what the request holds as requests of one event each: itself, or one for each element of its batch.

    An element's request has the element's JSON as its body. A batch that is empty, or too long to be taken apart, stays one event.
    """
    batch = source.batch
    whole = [(request, body)]
    if batch is None or body.problem is not None:
        return whole
    items = dig(body.value, batch.at.split(".") if batch.at else ())
    if not isinstance(items, list) or not items:
        return whole
    if len(items) > MAX_BATCH:
        return [(request, replace(body, problem=f"a batch of {len(items)} events; at most {MAX_BATCH} are taken apart"))]
    headers = {**request.headers, "content-type": "application/json"}
    beside = {name: body.value[name] for name in batch.keep if isinstance(body.value, dict) and name in body.value}
    parts = [beside | item if isinstance(item, dict) else item for item in items]
    return [(replace(request, headers=headers, body=orjson.dumps(part)), Body(value=part)) for part in parts]


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
    "id": lambda source, request, body, digest: locate(source.event_id, request, body.value) or _by_body(source, digest),
    "body": lambda _source, _request, _body, digest: f"sha256:{digest}",
    "none": lambda *_: None,
}


def _by_body(source: Source, digest: str) -> str | None:
    return f"sha256:{digest}" if source.provider.dedup_body else None


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


def _said(kept: Kept) -> dict[str, JSON]:
    if kept.duplicate:
        return {"event_id": kept.event_id, "duplicate": True}
    return {"event_id": kept.event_id, "deliveries": len(kept.deliveries)}


def _acknowledge(kept: Kept) -> Reply:
    return Reply(200 if kept.duplicate else 202, body=orjson.dumps(_said(kept)))


def _acknowledge_all(kept: Sequence[Kept]) -> Reply:
    """A batch: the first event stands for it, beside the list of all."""
    deliveries = sum(len(one.deliveries) for one in kept)
    said = {"event_id": kept[0].event_id, "deliveries": deliveries, "events": [_said(one) for one in kept]}
    return Reply(200 if all(one.duplicate for one in kept) else 202, body=orjson.dumps(said))
