"""Events made from the samples of a source's provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.core.http_messages import Request
from bridge.core.locators import locate
from bridge.core.model import JSON, Event
from bridge.ingest.source_bodies import read_body, split_batch
from bridge.providers.model import Provider
from bridge.providers.registry import PROVIDERS
from bridge.providers.samples.loader import sample
from bridge.routing.expressions.paths import IsFree, Steps
from bridge.routing.model import Source
from bridge.routing.planner import build_context

_MOMENT: Final = 1_772_366_400.0


def sample_events(source: Source) -> list[tuple[str | None, Mapping[str, JSON]]]:
    """Return the samples of the source's provider as events: the type, and the roots of
    expressions.
    """
    name = source.provider.name
    if source.provider.custom_payload or name not in PROVIDERS:
        return []
    events = []
    for row in source.provider.samples:
        request = sample(name, row.type, now=_MOMENT, new_id="sample")
        body = read_body(source, request.headers.get("content-type", ""), request.body)
        events += [
            (event.type, build_context(event, part.said, _MOMENT))
            for part in split_batch(request, source, body)
            for event in [_event(part.request, source, part.said.value)]
            if part.said.problem is None
        ]
    return events


def free_names(provider: Provider) -> IsFree:
    """Return a predicate for objects of a provider's events whose keys the samples cannot know."""
    free = provider.custom_objects

    def is_free(path: Steps) -> bool:
        return path in (("fields",), ("query",)) or (
            len(path) > 1 and re.sub(r"[-_\W]", "", str(path[-1])).casefold() in free
        )

    return is_free


def _event(request: Request, source: Source, body: JSON) -> Event:
    type_ = locate(source.event_type, request, body)
    return Event(
        id="",
        source=source.name,
        provider=source.provider.name,
        type=type_,
        provider_id=None,
        received_at=_MOMENT,
        headers=request.headers,
        query_string=request.query_string,
        body=request.body,
        body_sha256="",
        config_hash="",
    )
