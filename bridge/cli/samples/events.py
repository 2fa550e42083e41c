"""The event types and the values that the samples of a source's provider show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bridge.core.http_messages import Request
from bridge.core.locators import locate
from bridge.core.model import JSON, Event
from bridge.ingest.receive import read_body, split
from bridge.providers.registry import PROVIDERS
from bridge.providers.samples.loader import sample
from bridge.routing.expressions.paths import IsFree, Steps
from bridge.routing.model import Source
from bridge.routing.planner import context

#: Providers whose payload has the shape that its sender gave it: their samples say nothing of
#: another sender's names.
OWN_SHAPE: Final = frozenset(
    {
        "airtable",
        "basic",
        "cloudevents",
        "form",
        "formstack",
        "google_forms",
        "google_pubsub",
        "hmac",
        "hookdeck",
        "salesforce",
        "sanity",
        "segment",
        "standard_webhooks",
        "supabase_db",
        "svix",
        "token",
        "webflow",
    }
)
#: Objects whose names are chosen by customers of the sender, without case, `_` and `-`.
FREE: Final = frozenset(
    {
        "additionaldata",
        "annotations",
        "answers",
        "appmetadata",
        "args",
        "commonannotations",
        "commonlabels",
        "context",
        "customattributes",
        "customdata",
        "customfields",
        "eventdata",
        "fields",
        "grouplabels",
        "hidden",
        "input",
        "inputs",
        "labels",
        "merges",
        "meta",
        "metadata",
        "output",
        "outputs",
        "params",
        "parameters",
        "properties",
        "tags",
        "traits",
        "urlparams",
        "usermetadata",
        "values",
        "variables",
        "vars",
    }
)
#: … which are the sender's own at some providers.
FIXED: Final = {
    "jira": frozenset({"fields"}),
    "lemon_squeezy": frozenset({"meta"}),
    "mailgun": frozenset({"eventdata"}),
    "pipedrive": frozenset({"meta"}),
}
_MOMENT: Final = 1_772_366_400.0


def sample_events(source: Source) -> list[tuple[str | None, Mapping[str, JSON]]]:
    """Return the samples of the source's provider as its events: each with its type and the roots
    that expressions see.
    """
    name = source.provider.name
    if name in OWN_SHAPE or name not in PROVIDERS:
        return []
    events = []
    for row in source.provider.samples:
        request = sample(name, row.type, now=_MOMENT, new_id="sample")
        body = read_body(source, request.headers.get("content-type", ""), request.body)
        events += [
            (event.type, context(event, read, _MOMENT))
            for part, read in split(request, source, body)
            for event in [_event(part, source, read.value)]
            if read.problem is None
        ]
    return events


def free_names(provider: str) -> IsFree:
    """Return the test for objects of a provider's events whose names the samples cannot know."""
    free = FREE - FIXED.get(provider, frozenset())

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
