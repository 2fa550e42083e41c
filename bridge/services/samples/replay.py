"""A replay of a sample: the same signed request twice, which makes one event. No forgery: each copy
is signed as it should be.
"""

from __future__ import annotations

from hashlib import sha256

import orjson

from bridge.core.http_messages import Answer, Request
from bridge.core.model import JSON, Body
from bridge.providers.signatures.locations import covers_content
from bridge.providers.signatures.pairs import chosen
from bridge.services.samples.forgeries import Signer, time_limit

REPLAY = "replay"
# statuses of who does not take what was sent; others say nothing of it
REFUSED = (400, 401, 403, 409)


def expected(signer: Signer, request: Request) -> str:
    """Return what must become of the second of two such requests; ValueError where nothing tells it
    from another event.
    """
    name = signer.source
    limit = time_limit(signer)
    later = (
        f" A copy that comes later than {limit:g} s is refused for its time: --tamper timestamp."
        if limit
        else ""
    )
    if None in provider_ids(signer, request):
        until = f" within {limit:g} s" if limit else ""
        raise ValueError(
            f"this event of {name} has no id that would tell a copy{until} from another event: sent"
            " twice, it is two events (in routes.yaml `event_id` says where an id stands, `dedup:"
            " body` that the same body is the same event)"
        )
    if signer.provider.ack is not None:
        return (
            f"The second is a duplicate, though {signer.provider.title} is answered both times the"
            f" same.{later}"
        )
    return (
        "The second is a duplicate: 200 with the first one's event_id, or 202 with it where"
        f" nothing was started by the first.{later}"
    )


def provider_ids(signer: Signer, request: Request) -> list[str | None]:
    """Return what each event of the request is known by, null for one that is never a duplicate.
    `request` is not signed yet.
    """
    from bridge.ingest.duplicates import Digests, identify
    from bridge.ingest.source_bodies import read_body, split
    from bridge.routing.model import Source

    row = signer.provider
    source = signer.of or Source(
        name=signer.source,
        provider=row,
        scheme=signer.scheme,
        event_type=row.event_type,
        event_id=row.event_id,
        batch=row.batch,
    )
    body = read_body(source, request.headers.get("content-type", ""), request.body)
    is_signed = covers_content(chosen(signer.scheme, signer.secret)[1])

    def id_of(part: Request, said: Body) -> str | None:
        # which is not what is signed, but is there where something is, and the same each time
        digest = sha256(part.body).hexdigest()
        return identify(source, part, said, Digests(digest, lambda: digest if is_signed else None))

    return [id_of(part.request, part.said) for part in split(request, source, body)]


def verdict(first: Answer, second: Answer) -> tuple[bool, str]:
    """Return whether the second answer is as it must be, and what it says, for people."""
    if first.status // 100 != 2:
        return False, "The event was not accepted, so there was nothing to repeat."
    if second.status in REFUSED:
        return True, "The second was refused."
    if second.status // 100 != 2:
        return False, f"The second was answered {second.status}: neither a duplicate nor refused."
    events = _event_ids(first), _event_ids(second)
    if not events[0]:
        return (
            True,
            (
                "The answers do not say which event they mean: `flowbridge events` shows one, with"
                " a duplicate."
            ),
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
    return [one["event_id"] for one in said.get("events", [said])]
