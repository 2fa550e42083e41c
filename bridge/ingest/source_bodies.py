"""Parse a body by its source's configuration, and split a batch into events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bridge.core.http_messages import Request
from bridge.core.json_values import MAX_VALUES, write_json
from bridge.core.locators import dig
from bridge.core.model import JSON, Body, Event, FormFile
from bridge.ingest import forms
from bridge.ingest.bodies import decode, decode_token
from bridge.ingest.duplicates import MAX_NAME_CHARS
from bridge.routing.model import Source

MAX_BATCH_EVENTS = 1000  # events in one request


@dataclass(frozen=True, slots=True)
class RawBody:
    """A request as sent, with its parsed body. It contains credentials: never store it.

    See `bridge.ingest.body_stages`.
    """

    request: Request = field(repr=False)
    said: Body = field(repr=False)


def read_body(
    source: Source, content_type: str, raw: bytes, files: Sequence[FormFile] = ()
) -> Body:
    """Parse a body of this source.

    `files`: the files of a form, whose bytes are not in the stored body.
    """
    if source.form is not None:
        return forms.body_of(source.form, content_type, raw, files, max_depth=source.max_depth)
    kind, _, name = source.provider.body.partition(":")
    if kind == "jwt":
        claim, *texts = name.split(",")
        return decode_token(raw, claim, tuple(texts), max_depth=source.max_depth)
    max_values = MAX_VALUES if source.is_public else None
    return decode(
        content_type,
        raw,
        max_depth=source.max_depth,
        wrapped_in=source.provider.wrapped_in,
        max_values=max_values,
    )


def rebuild_event_request(event: Event) -> Request:
    """Return the request of a stored event, as far as an event has it."""
    return Request(
        method="POST",
        path="",
        headers=event.headers,
        query_string=event.query_string,
        body=event.body,
    )


def split_batch(request: Request, source: Source, body: Body) -> list[RawBody]:
    """Split a request into requests of one event each: itself, or one for each item of its batch.

    An item's request has the item's JSON as its body. A batch that is empty or too long stays one
    event. So does a batch whose other fields, which would be copied into each event, are more than
    a short value.
    """
    batch = source.batch
    whole = [RawBody(request, body)]
    if batch is None or body.problem is not None:
        return whole
    items = dig(body.value, batch.at.split(".") if batch.at else ())
    if not isinstance(items, list) or not items:
        return whole
    if len(items) > MAX_BATCH_EVENTS:
        problem = f"a batch of {len(items)} events; at most {MAX_BATCH_EVENTS} can be split"
        return [RawBody(request, replace(body, problem=problem))]
    headers = {**request.headers, "content-type": "application/json"}
    beside = {
        name: body.value[name]
        for name in batch.keep
        if isinstance(body.value, dict) and name in body.value
    }
    if not all(map(_is_word, beside.values())):
        problem = (
            f"a field beside the list of a batch is not a single value of at most {MAX_NAME_CHARS}"
            " characters"
        )
        return [RawBody(request, replace(body, problem=problem))]
    parts = [beside | item if isinstance(item, dict) else item for item in items]
    return [
        RawBody(replace(request, headers=headers, body=write_json(part)), Body(value=part))
        for part in parts
    ]


def _is_word(value: JSON) -> bool:
    return not isinstance(value, dict | list) and not (
        isinstance(value, str) and len(value) > MAX_NAME_CHARS
    )
