"""Receive one request: verify, read, identify, plan, keep, answer. Pure: the store, the time and a
new id are arguments.

This is the first half of the product, top to bottom. A request becomes an event only below
`verify`; it is answered only below `keep`, which returns when the event is on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import orjson

from bridge.core.errors import Refused
from bridge.core.fingerprints import unguessable
from bridge.core.http_messages import Request
from bridge.core.json_limits import MAX_TEST, MAX_VALUES
from bridge.core.locators import dig, locate
from bridge.core.masking import hidden
from bridge.core.model import JSON, Body, Delivery, Event, FormFile
from bridge.ingest import forms
from bridge.ingest.bodies import decode, decode_token
from bridge.ingest.duplicates import NAME_LENGTH, Digests, identify, signed_digest
from bridge.ingest.forms.attachments import KeepFile
from bridge.ingest.forms.spam.check import Gate, Passed, pass_through
from bridge.ingest.ports import Keep, Kept
from bridge.ingest.redaction import redacted
from bridge.providers.confirmation import Confirmation
from bridge.providers.model import Handshake, Probe, Reply
from bridge.providers.signatures.key_source import NO_KEYS, Ask, Keys
from bridge.providers.signatures.scheme import Content
from bridge.routing.form import Form
from bridge.routing.model import Config, Source
from bridge.routing.planner import plan

MAX_BATCH = 1000  # events in one request
RETRY_DIGITS = 9  # of the number of the sender's try
PLANNING_FAILED = "planning failed by a fault of flowbridge's own"


Fetch = Callable[[Ask], bytes | None]


@dataclass(frozen=True, slots=True)
class Received:
    """What is answered, and what the log lines say: the events with what was kept of each (none for
    a handshake).

    `body` is what was sent, null for a handshake.
    """

    reply: Reply
    kept: tuple[tuple[Event, Kept], ...] = ()
    fault: Exception | None = None
    body: Body | None = None


def receive(  # noqa: PLR0913 - keywords; a record of them would hide what is used
    request: Request,
    source: Source,
    config: Config,
    *,
    keep: Keep,
    now: float,
    new_id: Callable[[], str],
    keys: Keys = NO_KEYS,
    fetch: Fetch | None = None,
    gate: Gate | None = None,
    keep_file: KeepFile = forms.digest,
    note_sent: Callable[[forms.Sent], object] = lambda _: None,
) -> Received:
    """Turn a request into stored events, nearly always one, and its answer.

    `keys` gets those that senders publish; `fetch` gets what confirms a subscription, null where
    nothing is to be confirmed. Without a `gate` nothing that a form is sent is held to be spam.
    `keep_file` keeps the bytes of a form's files, which are on disk before the event is.
    `note_sent` gets what a form was sent once it was read, whatever becomes of it. Raises
    `BadSignature` (401), `Refused` (its own status) and whatever `keep` raises when nothing could
    be kept (503).
    """
    shakes = [shake for shake in source.provider.handshakes if request.method in shake.methods]
    if request.method != "POST" and not shakes:
        allowed = sorted({"POST"}.union(*(shake.methods for shake in source.provider.handshakes)))
        raise Refused(
            405,
            "method_not_allowed",
            "webhooks are sent with POST",
            headers={"Allow": ", ".join(allowed)},
        )
    body = None
    unsigned = [shake for shake in shakes if not shake.signed]
    if unsigned and len(request.body) <= MAX_TEST:
        body = read_body(source, request.headers.get("content-type", ""), request.body)
        if answer := _answer(unsigned, request, source, body, now):
            return Received(answer)
    proof = source.scheme.verify(request, source.secrets, now, keys)
    if source.form is not None:
        return _receive_form(
            request,
            source,
            source.form,
            config,
            keep=keep,
            keep_file=keep_file,
            gate=gate,
            now=now,
            new_id=new_id,
            note_sent=note_sent,
        )
    body = body or read_body(source, request.headers.get("content-type", ""), request.body)
    if answer := _answer([shake for shake in shakes if shake.signed], request, source, body, now):
        return Received(answer)
    if request.method != "POST":
        raise Refused(
            405,
            "method_not_allowed",
            "this is no test of the URL, and webhooks are sent with POST",
            headers={"Allow": "POST"},
        )
    if (confirmation := source.provider.confirmation) and confirmation.is_asked(request):
        why = _confirm(confirmation, request, source, fetch)
        if why is None:
            return Received(Reply(content_type="text/plain"))
        body = replace(
            body,
            problem=(
                f"the subscription is not confirmed: {why}; to confirm it, open the URL at"
                f" {confirmation.at}"
            ),
        )
    parts = split(request, source, body)
    is_whole = len(parts) == 1 and parts[0][0] is request
    content = None if proof is None else proof.content if is_whole else proof.element
    return replace(_keep(parts, source, config, keep, now, new_id, content=content), body=body)


def _receive_form(  # noqa: PLR0913 - keywords; a record of them would hide what is used
    request: Request,
    source: Source,
    form: Form,
    config: Config,
    *,
    keep: Keep,
    keep_file: KeepFile,
    gate: Gate | None,
    now: float,
    new_id: Callable[[], str],
    note_sent: Callable[[forms.Sent], object],
) -> Received:
    """A form is checked before it is kept, so that the person who sent it can mend it."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Refused(415, "encoded", "the body is compressed; a form is sent as it is")
    sent = forms.read(
        form, request.headers.get("content-type", ""), request.body, max_depth=source.max_depth
    )
    note_sent(sent)
    forms.check(form, sent)
    digest = hashlib.sha256(request.body).hexdigest()
    without_files, body = forms.take(form, sent)
    passed = (
        pass_through(request, body, source, form, gate, now, len(without_files))
        if gate is not None
        else None
    )
    if passed is not None:
        request = passed.request
        keep = passed.keep
    if passed is None or passed.known is None:
        forms.keep(sent, keep_file)
    request = replace(request, body=without_files)
    return replace(
        _keep([(request, body)], source, config, keep, now, new_id, digest=digest, passed=passed),
        body=body,
    )


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
    confirmation: Confirmation, request: Request, source: Source, fetch: Fetch | None
) -> str | None:
    """Have the subscription confirmed that a verified request asks for, and return why it is not."""
    pins = getattr(source.scheme, "pinned", ())
    if source.secrets:
        return "nothing is fetched for a source that has the sender's certificate as its secret"
    if (
        ask := confirmation.ask(request, {value for _, values in pins for value in values})
    ) is None:
        return (
            "it is for nothing that the source pins, or its URL is not of the form that the"
            " sender's have"
        )
    if fetch is None:
        return "nothing is fetched for a dry request, or when a reject is readmitted"
    document = fetch(ask)
    if document is None or confirmation.answer not in document:
        return "its URL could not be fetched, or did not answer that it is (see the log)"
    return None


def _keep(  # noqa: PLR0913 - keywords; a record of them would hide what is used
    parts: Sequence[tuple[Request, Body]],
    source: Source,
    config: Config,
    keep: Keep,
    now: float,
    new_id: Callable[[], str],
    *,
    digest: str | None = None,
    passed: Passed | None = None,
    content: Content | None = None,
) -> Received:
    """Keep the events of a request. `digest`: of what came in, where that is not what is kept;
    `passed`: what the gate said of it.

    `content`: gives what is signed of each, null where nothing is.
    """
    arrivals = []
    fault = None
    for sent, read in parts:
        request, body = _without_credentials(sent, read, source)
        sha256 = digest or hashlib.sha256(sent.body).hexdigest()
        if source.redact is not None:
            request, body, sha256 = redacted(
                request, body, source, partial(_read_kept, source, body.files)
            )
        if source.digest_key:
            sha256 = unguessable(source.digest_key, source.name, sha256)
        provider_id = identify(
            source,
            request,
            body,
            Digests(sha256, partial(signed_digest, source, sent, content, sha256)),
        )
        event = _identify(
            request,
            source,
            body,
            config,
            now,
            new_id(),
            digest=sha256,
            passed=passed,
            provider_id=provider_id,
        )
        deliveries, failed = _plan(event, body, config, now)
        if failed is not None:
            event = replace(event, problem=PLANNING_FAILED)
            fault = failed
        arrivals.append((event, deliveries))
    kept = keep(arrivals, lambda known, nonce: replan(known, config, now, nonce))
    reply = source.provider.ack or (
        _acknowledge(kept[0]) if len(kept) == 1 else _acknowledge_all(kept)
    )
    return Received(
        reply, tuple((event, one) for (event, _), one in zip(arrivals, kept, strict=True)), fault
    )


def split(request: Request, source: Source, body: Body) -> list[tuple[Request, Body]]:
    """Return what the request holds as requests of one event each: itself, or one for each element
    of its batch.

    An element's request has the element's JSON as its body. A batch that is empty, or too long to
    be taken apart, stays one event. So does one where what stands beside the list, and would be
    copied into each event, is more than a word.
    """
    batch = source.batch
    whole = [(request, body)]
    if batch is None or body.problem is not None:
        return whole
    items = dig(body.value, batch.at.split(".") if batch.at else ())
    if not isinstance(items, list) or not items:
        return whole
    if len(items) > MAX_BATCH:
        return [
            (
                request,
                replace(
                    body,
                    problem=f"a batch of {len(items)} events; at most {MAX_BATCH} are taken apart",
                ),
            )
        ]
    headers = {**request.headers, "content-type": "application/json"}
    beside = {
        name: body.value[name]
        for name in batch.keep
        if isinstance(body.value, dict) and name in body.value
    }
    if not all(map(_is_word, beside.values())):
        return [
            (
                request,
                replace(
                    body,
                    problem=f"beside the list of a batch stands more than {NAME_LENGTH} characters",
                ),
            )
        ]
    parts = [beside | item if isinstance(item, dict) else item for item in items]
    return [
        (replace(request, headers=headers, body=orjson.dumps(part)), Body(value=part))
        for part in parts
    ]


def _is_word(value: JSON) -> bool:
    return not isinstance(value, dict | list) and not (
        isinstance(value, str) and len(value) > NAME_LENGTH
    )


def read_body(
    source: Source, content_type: str, raw: bytes, files: Sequence[FormFile] = ()
) -> Body:
    """Return what a body of this source says. `files`: those of a form, whose bytes are not in the
    body that is kept.
    """
    if source.form is not None:
        return forms.body_of(source.form, content_type, raw, files, max_depth=source.max_depth)
    kind, _, name = source.provider.body.partition(":")
    if kind == "jwt":
        claim, *texts = name.split(",")
        return decode_token(raw, claim, tuple(texts), max_depth=source.max_depth)
    most = MAX_VALUES if source.is_public else None
    return decode(
        content_type,
        raw,
        max_depth=source.max_depth,
        wrapped_in=source.provider.wrapped_in,
        max_values=most,
    )


def replan(event: Event, config: Config, now: float, nonce: str) -> list[Delivery]:
    """Plan a stored event through the present routes.

    Nothing comes of one whose source is gone, whose body cannot be read, which only asks for a
    subscription to be confirmed, or which is held to be spam.
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
    """Return whether the event is there only because the subscription that it is about could not be
    confirmed.
    """
    confirmation = source.provider.confirmation
    request = Request(method="POST", path="", headers=event.headers, body=event.body)
    return confirmation is not None and confirmation.is_asked(request)


def _without_credentials(request: Request, body: Body, source: Source) -> tuple[Request, Body]:
    """Return the request as it is kept, and what that says: from here on nothing sees a static
    credential.
    """
    kept = hidden(request, source.credentials, wrapped_in=source.provider.wrapped_in)
    if kept.body is request.body or body.problem is not None:
        return kept, body
    return kept, read_body(source, kept.headers.get("content-type", ""), kept.body)


def _read_kept(source: Source, files: Sequence[FormFile], request: Request) -> Body:
    return read_body(
        source,
        request.headers.get("content-type", ""),
        request.body,
        files if source.form is not None else (),
    )


def _identify(  # noqa: PLR0913 - keywords; a record of them would hide what is used
    request: Request,
    source: Source,
    body: Body,
    config: Config,
    now: float,
    event_id: str,
    *,
    digest: str,
    passed: Passed | None,
    provider_id: str | None,
) -> Event:
    return Event(
        id=event_id,
        source=source.name,
        provider=source.provider.name,
        type=_fit_type(locate(source.event_type, request, body.value)),
        provider_id=provider_id,
        received_at=now,
        headers=request.headers,
        query_string=request.query_string,
        body=request.body,
        body_sha256=digest,
        config_hash=config.hash,
        problem=body.problem,
        # those of other senders are in the body
        files=body.files if source.form is not None else (),
        sender_retry=_number(locate(source.provider.retry, request, body.value)),
        client=passed.client if passed else None,
        spam=passed.spam if passed else None,
    )


def _number(text: str | None) -> int | None:
    """Return a small whole number that a sender wrote, None for anything else: Slack's first try is
    1, HubSpot's 0, most say nothing.
    """
    return (
        int(text)
        if text and len(text) <= RETRY_DIGITS and text.isascii() and text.isdigit()
        else None
    )


def _fit_type(text: str | None) -> str | None:
    """A type comes from the sender and goes into columns, logs and terminals: one short printable
    line.
    """
    return text and "".join(char if char.isprintable() else "\ufffd" for char in text[:NAME_LENGTH])


def _plan(
    event: Event, body: Body, config: Config, now: float
) -> tuple[list[Delivery], Exception | None]:
    """Plan, and survive it: a sender such as GitHub never tries again, so an event is kept even
    where we have a bug.
    """
    if body.problem is not None or event.spam is not None:
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
    said = {
        "event_id": kept[0].event_id,
        "deliveries": deliveries,
        "events": [_said(one) for one in kept],
    }
    return Reply(200 if all(one.duplicate for one in kept) else 202, body=orjson.dumps(said))
