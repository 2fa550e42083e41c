"""Build the events of a verified request, with the deliveries that the routes plan for them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bridge.core.fingerprints import unguessable
from bridge.core.http_messages import Request
from bridge.core.locators import locate
from bridge.core.masking import hidden
from bridge.core.model import Body, Delivery, Event, FormFile
from bridge.ingest.duplicates import NAME_LENGTH, Digests, identify, signed_digest
from bridge.ingest.forms.spam.check import CheckedSubmission
from bridge.ingest.redaction import redacted
from bridge.ingest.source_bodies import read_body
from bridge.providers.signatures.scheme import Content
from bridge.routing.model import Config, Source
from bridge.routing.planner import plan

RETRY_DIGITS = 9  # of the number of the sender's try
PLANNING_FAILED = "planning failed by a fault of flowbridge's own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Hold a verified request: `parts` has the request and body of each of its events.

    `body`: what the whole request says. `content`: returns what is signed of an event, None where
    nothing is. `digest`: of what was sent, where that is not what the parts hold. `submission`:
    what the spam check said of a form.
    """

    source: Source
    parts: Sequence[tuple[Request, Body]]
    body: Body
    content: Content | None = None
    digest: str | None = None
    submission: CheckedSubmission | None = None


Arrival = tuple[Event, Sequence[Delivery]]


def build_arrivals(
    verified: Verified, config: Config, now: float, new_id: Callable[[float], str]
) -> tuple[list[Arrival], Exception | None]:
    """Return the events with their deliveries, and the last error that stopped planning one."""
    arrivals: list[Arrival] = []
    fault = None
    for sent, read in verified.parts:
        request, body, digest = _storable(sent, read, verified)
        provider_id = _identify(sent, request, body, digest, verified)
        event = _build_event(request, body, verified, config, now, new_id(now), digest, provider_id)
        deliveries, failed = _plan(event, body, config, now)
        if failed is not None:
            event = replace(event, problem=PLANNING_FAILED)
            fault = failed
        arrivals.append((event, deliveries))
    return arrivals, fault


def _storable(sent: Request, read: Body, verified: Verified) -> tuple[Request, Body, str]:
    """Return a request as it may be stored, what its body says then, and the digest of its body."""
    source = verified.source
    request, body = _without_credentials(sent, read, source)
    digest = verified.digest or hashlib.sha256(sent.body).hexdigest()
    if source.redact is not None:
        reread = partial(_read_stored, source, body.files)
        request, body, digest = redacted(request, body, source, reread)
    if source.digest_key:
        digest = unguessable(source.digest_key, source.name, digest)
    return request, body, digest


def _without_credentials(request: Request, body: Body, source: Source) -> tuple[Request, Body]:
    """Return the request as it is kept, and what that says: from here on nothing sees a static
    credential.
    """
    kept = hidden(request, source.credentials, wrapped_in=source.provider.wrapped_in)
    if kept.body is request.body or body.problem is not None:
        return kept, body
    return kept, read_body(source, kept.headers.get("content-type", ""), kept.body)


def _read_stored(source: Source, files: Sequence[FormFile], request: Request) -> Body:
    kept_files = files if source.form is not None else ()
    return read_body(source, request.headers.get("content-type", ""), request.body, kept_files)


def _identify(
    sent: Request, request: Request, body: Body, digest: str, verified: Verified
) -> str | None:
    """Return the provider's id of an event; `sent` is its request as it came."""
    source = verified.source
    signed = partial(signed_digest, source, sent, verified.content, digest)
    return identify(source, request, body, Digests(digest, signed))


def _build_event(
    request: Request,
    body: Body,
    verified: Verified,
    config: Config,
    now: float,
    event_id: str,
    digest: str,
    provider_id: str | None,
) -> Event:
    source = verified.source
    checked = verified.submission
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
        client=checked.client if checked else None,
        spam=checked.spam if checked else None,
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
