"""Receive one request: verify, read, identify, plan, answer. Pure: see `effects`.

This is the first half of the product, top to bottom. `prepare` turns a request into events, which
its caller stores, or into a ready answer; `build_answer` reports the result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from bridge.core.errors import Refused
from bridge.core.http_messages import Request
from bridge.core.json_values import MAX_TEST_BYTES
from bridge.core.model import JSON, Body, Delivery, Event
from bridge.ingest import forms
from bridge.ingest.effects import Effects, PreparedRequest
from bridge.ingest.event_builder import Verified, build_arrivals
from bridge.ingest.ports import StoredEvent
from bridge.ingest.source_bodies import RawBody, read_body, split_batch
from bridge.providers.confirmation import Confirmation
from bridge.providers.model import Handshake, Probe, Reply
from bridge.routing.form import Form
from bridge.routing.model import Config, Source
from bridge.routing.planner import plan


@dataclass(frozen=True, slots=True)
class Received:
    """The result of a request: the reply, and the stored events (none for a handshake).

    `body`: the parsed body, None for a handshake. `place`: the index of the secret that verified
    the request in the source's secrets, None for a handshake and where no secret is needed.
    """

    reply: Reply
    stored: tuple[tuple[Event, StoredEvent], ...] = ()
    fault: Exception | None = None
    body: Body | None = None
    place: int | None = None


def prepare(
    request: Request, source: Source, config: Config, effects: Effects, now: float
) -> Received | PreparedRequest:
    """Return the events of a request, nearly always one, planned and not stored yet, or an answer
    that is ready.

    Ready are the answers to a handshake and to a submission that repeats a stored one. It waits
    only in `effects`, and only for senders that publish their keys, for confirmations and for
    forms, whose files are on disk when it returns. Raises `BadSignature` (401), `Refused` (its own
    status) and what `effects` raise where a file could not be stored (503).
    """
    verified = _verify(request, source, effects, now)
    if isinstance(verified, Received):
        return verified
    effects.mark_verified()
    arrivals, fault = build_arrivals(verified, config, now, effects.new_id)
    prepared = PreparedRequest(
        source=source,
        arrivals=arrivals,
        replan=lambda event, nonce: replan(event, config, now, nonce),
        body=verified.body,
        marks=verified.submission.marks if verified.submission else None,
        fault=fault,
        place=verified.place,
    )
    if verified.submission is not None and verified.submission.known is not None:
        return build_answer(prepared, [verified.submission.known])
    return prepared


def build_answer(prepared: PreparedRequest, stored: Sequence[StoredEvent]) -> Received:
    """Return the answer to a request whose events are stored."""
    made = _acknowledge(stored[0]) if len(stored) == 1 else _acknowledge_all(stored)
    events = (event for event, _ in prepared.arrivals)
    return Received(
        prepared.source.provider.ack or made,
        tuple(zip(events, stored, strict=True)),
        prepared.fault,
        prepared.body,
        prepared.place,
    )


def _verify(request: Request, source: Source, effects: Effects, now: float) -> Received | Verified:
    """Verify a request and read its body, or return the answer of a handshake."""
    shakes = [shake for shake in source.provider.handshakes if request.method in shake.methods]
    if request.method != "POST" and not shakes:
        allowed = sorted({"POST"}.union(*(shake.methods for shake in source.provider.handshakes)))
        headers = {"Allow": ", ".join(allowed)}
        raise Refused(405, "method_not_allowed", "send webhooks with POST", headers=headers)
    body = None
    unsigned = [shake for shake in shakes if not shake.signed]
    if unsigned and len(request.body) <= MAX_TEST_BYTES:
        body = read_body(source, request.headers.get("content-type", ""), request.body)
        if reply := _answer(unsigned, request, source, body, now):
            return Received(reply)
    proof = source.scheme.verify(request, source.secrets, now, effects.keys)
    if source.form is not None:
        return _check_form(request, source, source.form, effects, now)
    body = body or read_body(source, request.headers.get("content-type", ""), request.body)
    signed = [shake for shake in shakes if shake.signed]
    if reply := _answer(signed, request, source, body, now):
        return Received(reply)
    if request.method != "POST":
        message = "this is not a test of the URL; send webhooks with POST"
        raise Refused(405, "method_not_allowed", message, headers={"Allow": "POST"})
    if (confirmation := source.provider.confirmation) and confirmation.is_asked(request):
        why = _confirm(confirmation, request, source, effects)
        if why is None:
            return Received(Reply(content_type="text/plain"))
        problem = (
            f"the subscription is not confirmed: {why}; "
            f"to confirm it, open the URL at {confirmation.at}"
        )
        body = replace(body, problem=problem)
    parts = split_batch(request, source, body)
    is_whole = len(parts) == 1 and parts[0].request is request
    content = proof.content if is_whole else proof.element
    return Verified(
        source=source,
        parts=parts,
        body=body,
        content=content,
        joins_fields=proof.joins_fields,
        place=proof.place,
    )


def _check_form(
    request: Request, source: Source, form: Form, effects: Effects, now: float
) -> Verified:
    """Check a submission before it is stored, so that the person who sent it can correct it."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refused(415, "encoded", "the body is compressed: send the form uncompressed")
    content_type = request.headers.get("content-type", "")
    sent = forms.read(form, content_type, request.body, max_depth=source.max_depth)
    effects.note_submission(sent)
    forms.check(form, sent)
    digest = hashlib.sha256(request.body).hexdigest()
    without_files, body = forms.take(form, sent)
    size = len(without_files)
    checked = effects.check_submission(request, body, source, form, now, size)
    if checked is None or checked.known is None:
        forms.keep(sent, effects.store_file)
    request = replace(checked.request if checked else request, body=without_files)
    parts = [RawBody(request, body)]
    return Verified(source=source, parts=parts, body=body, digest=digest, submission=checked)


def _answer(
    shakes: Sequence[Handshake], request: Request, source: Source, body: Body, now: float
) -> Reply | None:
    if not shakes:
        return None
    secrets = tuple(
        secret.value
        for secret in source.secrets
        if secret.not_after is None or secret.not_after > now
    )
    probe = Probe(request, body.value, secrets)
    return next((answer for shake in shakes if (answer := shake.answer(probe))), None)


def _confirm(
    confirmation: Confirmation, request: Request, source: Source, effects: Effects
) -> str | None:
    """Confirm the subscription that a verified request asks for, or return why not."""
    pins = getattr(source.scheme, "pinned", ())
    if source.secrets:
        return "no URL is fetched for a source that has the sender's certificate as its secret"
    if (
        document := confirmation.build_request(
            request, {value for _, values in pins for value in values}
        )
    ) is None:
        return (
            "it is for a topic that the source does not pin, "
            "or its URL does not look like one of the sender's"
        )
    return effects.confirm(document, confirmation.answer)


def replan(event: Event, config: Config, now: float, nonce: str) -> list[Delivery]:
    """Plan a stored event with the current routes.

    Return no deliveries if its source was removed, its body is unreadable, it asks to confirm a
    subscription, or it is marked as spam.
    """
    source = config.source(event.source)
    if source is None or event.spam is not None or asks_to_confirm(source, event):
        return []
    body = read_body(source, event.headers.get("content-type", ""), event.body, event.files)
    # a delivery is frozen with the configuration that planned it
    present = replace(event, config_hash=config.hash)
    return (
        plan(present, body, config.routes_of(event.source), now, nonce)
        if body.problem is None
        else []
    )


def asks_to_confirm(source: Source, event: Event) -> bool:
    """Return whether the event is a request to confirm a subscription."""
    confirmation = source.provider.confirmation
    request = Request(method="POST", path="", headers=event.headers, body=event.body)
    return confirmation is not None and confirmation.is_asked(request)


def _event_json(kept: StoredEvent) -> dict[str, JSON]:
    if kept.duplicate:
        return {"event_id": kept.event_id, "duplicate": True}
    return {"event_id": kept.event_id, "deliveries": len(kept.deliveries)}


def _acknowledge(kept: StoredEvent) -> Reply:
    return Reply(200 if kept.duplicate else 202, body=orjson.dumps(_event_json(kept)))


def _acknowledge_all(kept: Sequence[StoredEvent]) -> Reply:
    """Return the reply to a batch: the first event's id and the list of all."""
    deliveries = sum(len(event.deliveries) for event in kept)
    said = {
        "event_id": kept[0].event_id,
        "deliveries": deliveries,
        "events": [_event_json(event) for event in kept],
    }
    return Reply(200 if all(event.duplicate for event in kept) else 202, body=orjson.dumps(said))
