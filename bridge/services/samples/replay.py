"""Replay of a sample: the same request twice, both signed correctly, which makes one event."""

from __future__ import annotations

from hashlib import sha256

import orjson

from bridge.core.http_messages import Answer, Request
from bridge.core.model import JSON, Body
from bridge.providers.signatures.locations import covers_content
from bridge.providers.signatures.pairs import choose_scheme
from bridge.services.samples.forgeries import Signer, time_limit

REPLAY = "replay"
# a status of these refuses the request; others are no evidence
REFUSAL_STATUSES = (400, 401, 403, 409)


def describe_expected(signer: Signer, request: Request) -> str:
    """Return the expected result of the second of two equal requests.

    `ValueError` where nothing distinguishes it from another event.
    """
    name = signer.source
    limit = time_limit(signer)
    later = (
        f" After {limit:g} s a copy is refused because it is too old (test: --tamper timestamp)."
        if limit
        else ""
    )
    if None in provider_ids(signer, request):
        until = f" within {limit:g} s" if limit else ""
        raise ValueError(
            f"this event of {name} has no id that distinguishes a copy{until} from another event:"
            " sent twice, it is two events (in routes.yaml set `event_id` to the place of an id, or"
            " `dedup: body` to compare bodies)"
        )
    if signer.provider.ack is not None:
        return (
            f"The second is a duplicate, though {signer.provider.title} gets the same answer both"
            f" times.{later}"
        )
    return (
        "The second is a duplicate: 200 with the first one's event_id, or 202 with it where the"
        f" first started nothing.{later}"
    )


def provider_ids(signer: Signer, request: Request) -> list[str | None]:
    """Return the ids of the events of an unsigned request, None for one that has no id."""
    from bridge.ingest.duplicates import Digests, identify
    from bridge.ingest.source_bodies import read_body, split_batch
    from bridge.routing.model import Source

    row = signer.provider
    source = signer.configured or Source(
        name=signer.source,
        provider=row,
        scheme=signer.scheme,
        event_type=row.event_type,
        event_id=row.event_id,
        batch=row.batch,
    )
    body = read_body(source, request.headers.get("content-type", ""), request.body)
    is_signed = covers_content(choose_scheme(signer.scheme, signer.secret)[1])

    def id_of(part: Request, said: Body) -> str | None:
        # This is not the signed digest, but it exists in the same cases and is constant.
        digest = sha256(part.body).hexdigest()
        return identify(source, part, said, Digests(digest, lambda: digest if is_signed else None))

    return [id_of(part.request, part.said) for part in split_batch(request, source, body)]


def judge_answers(first: Answer, second: Answer) -> tuple[bool, str]:
    """Return whether the second answer is as expected, and a message for the user."""
    if first.status // 100 != 2:
        return False, "The event was not accepted, so the replay proves nothing."
    if second.status in REFUSAL_STATUSES:
        return True, "The second was refused."
    if second.status // 100 != 2:
        return False, f"The second was answered {second.status}: neither a duplicate nor refused."
    events = _event_ids(first), _event_ids(second)
    if not events[0]:
        return (
            True,
            ("The answers have no event id: `flowbridge events` shows one event with a duplicate."),
        )
    if events[0] != events[1]:
        return False, "The second became another event."
    return True, "Both are one event."


def _event_ids(answer: Answer) -> list[JSON]:
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return []
    if not isinstance(said, dict) or "event_id" not in said:
        return []
    return [event["event_id"] for event in said.get("events", [said])]
