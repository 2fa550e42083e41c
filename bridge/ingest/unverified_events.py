"""Build the events that a request would become, without verifying it. Pure.

For explanations of routes: the events are never stored.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from bridge.core.http_messages import Request
from bridge.core.model import Event
from bridge.ingest import forms
from bridge.ingest.event_builder import Verified, build_arrivals
from bridge.ingest.source_bodies import RawBody, read_body, split_batch
from bridge.routing.model import Config, Source

#: The id of an event that is not stored, in the format of `bridge.system.ids`.
UNSTORED_EVENT_ID: Final = "evt_00000000000000000000000000"


def build_unverified_events(
    request: Request, source: Source, config: Config, now: float
) -> list[Event]:
    """Return the events of a request: masked, redacted and split as those that are stored.

    Raises `Refused` for a submission that the form of the source does not accept.
    """
    verified = _read(request, source)
    arrivals, _fault = build_arrivals(verified, config, now, lambda _now: UNSTORED_EVENT_ID)
    return [event for event, _ in arrivals]


def _read(request: Request, source: Source) -> Verified:
    form = source.form
    content_type = request.headers.get("content-type", "")
    if form is None:
        body = read_body(source, content_type, request.body)
        return Verified(source=source, parts=split_batch(request, source, body), body=body)
    sent = forms.read(form, content_type, request.body, max_depth=source.max_depth)
    forms.check(form, sent)
    without_files, body = forms.take(form, sent)
    parts = [RawBody(replace(request, body=without_files), body)]
    digest = hashlib.sha256(request.body).hexdigest()
    return Verified(source=source, parts=parts, body=body, digest=digest)
