"""Build the events of a verified request, with their planned deliveries. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from bridge.core.fingerprints import keyed_sha256
from bridge.core.http_messages import Request
from bridge.core.locators import locate
from bridge.core.model import JSON, Body, Delivery, Event, FormFile
from bridge.core.records import record
from bridge.core.text import replace_unprintable
from bridge.ingest.body_stages import StoredBody, mask_body
from bridge.ingest.duplicates import MAX_NAME_CHARS, Digests, identify, signed_digest
from bridge.ingest.forms.spam.check import CheckedSubmission
from bridge.ingest.redaction import redact_body
from bridge.ingest.source_bodies import RawBody, read_body
from bridge.providers.signatures.scheme import Content
from bridge.routing.model import Config, Source
from bridge.routing.planner import plan

RETRY_DIGITS = 9  # of the sender's retry number
PLANNING_FAILED = "planning failed by a fault of flowbridge's own"


@record
class Verified:
    """A verified request; `parts` has one item for each of its events.

    `body`: the parsed body of the whole request. `content`: returns the signed content of an event,
    None if nothing is signed. `joins_fields`: only all of that content identifies an event.
    `digest`: of the body as sent, if the parts have another one. `submission`: the result of the
    spam check of a form. `place`: the index of the secret that fits.
    """

    source: Source
    parts: Sequence[RawBody]
    body: Body
    content: Content | None = None
    joins_fields: bool = False
    digest: str | None = None
    submission: CheckedSubmission | None = None
    place: int | None = None


Arrival = tuple[Event, Sequence[Delivery]]


def build_arrivals(
    verified: Verified, config: Config, now: float, new_id: Callable[[float], str]
) -> tuple[list[Arrival], Exception | None]:
    """Return the events with their deliveries, and the last error that stopped planning one."""
    arrivals: list[Arrival] = []
    fault = None
    for raw in verified.parts:
        stored = _storable(raw, verified)
        provider_id = _identify(raw, stored, verified)
        event = _build_event(stored, provider_id, verified, config, now, new_id(now))
        deliveries, failed = _plan(event, stored.said, config, now)
        if failed is not None:
            event = replace(event, problem=PLANNING_FAILED)
            fault = failed
        arrivals.append((event, deliveries))
    return arrivals, fault


def _storable(raw: RawBody, verified: Verified) -> StoredBody:
    """Mask and redact a request, and key its digest if bodies are encrypted."""
    source = verified.source
    masked = mask_body(raw, source)
    digest = verified.digest or hashlib.sha256(raw.request.body).hexdigest()
    stored = redact_body(masked, source, digest, partial(_reread, source, masked.said.files))
    if not source.digest_key:
        return stored
    return replace(stored, digest=keyed_sha256(source.digest_key, source.name, stored.digest))


def _reread(source: Source, files: Sequence[FormFile], request: Request) -> Body:
    kept_files = files if source.form is not None else ()
    return read_body(source, request.headers.get("content-type", ""), request.body, kept_files)


def _identify(raw: RawBody, stored: StoredBody, verified: Verified) -> str | None:
    """Return the provider's id of an event: the sender's id or a digest of signed content."""
    source = verified.source
    digest = stored.digest
    signed = partial(signed_digest, source, raw.request, verified.content, digest)
    digests = Digests(digest, signed, joins_fields=verified.joins_fields)
    return identify(source, stored.request, stored.said, digests)


def _build_event(
    stored: StoredBody,
    provider_id: str | None,
    verified: Verified,
    config: Config,
    now: float,
    event_id: str,
) -> Event:
    source = verified.source
    checked = verified.submission
    request = stored.request
    said = stored.said
    return Event(
        id=event_id,
        source=source.name,
        provider=source.provider.name,
        type=read_event_type(source, request, said.value),
        provider_id=provider_id,
        received_at=now,
        headers=request.headers,
        query_string=request.query_string,
        body=request.body,
        body_sha256=stored.digest,
        config_hash=config.hash,
        problem=said.problem,
        files=said.files if source.form is not None else (),  # others' are in the body
        sender_retry=_number(locate(source.provider.retry, request, said.value)),
        client=checked.client if checked else None,
        spam=checked.spam if checked else None,
    )


def _number(text: str | None) -> int | None:
    """Parse the number of the sender's retry: 1 first at Slack, 0 at HubSpot; most send none."""
    return (
        int(text)
        if text and len(text) <= RETRY_DIGITS and text.isascii() and text.isdigit()
        else None
    )


def read_event_type(source: Source, request: Request, value: JSON) -> str | None:
    """Return the type of an event as one short printable line: it is untrusted and shown on
    terminals. `value`: the parsed body.
    """
    text = locate(source.event_type, request, value)
    return text and replace_unprintable(text[:MAX_NAME_CHARS])


def _plan(
    event: Event, body: Body, config: Config, now: float
) -> tuple[list[Delivery], Exception | None]:
    """Plan deliveries, and return any error instead of raising it.

    Senders such as GitHub never retry, so the event must be stored even if planning has a bug.
    """
    if body.problem is not None or event.spam is not None:
        return [], None
    try:
        return plan(event, body, config.routes_of(event.source), now), None
    except Exception as fault:  # the edge logs it
        return [], fault
