"""Retention periods of stored events, bodies, rejects and local runs. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from bridge.core.fingerprints import EMPTY_SHA256
from bridge.core.model import Event
from bridge.core.units import DAY, HOUR

FOREVER: Final = math.inf
DEDUP_SECONDS: Final = 400 * DAY  # for which provider ids are stored by default
#: Rows of events and runs are stored for days, since they detect repeated events and starts.
MIN_RETENTION_SECONDS: Final = {
    "events": 4 * DAY,
    "bodies": HOUR,
    "rejects": HOUR,
    "runs": 4 * DAY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Seconds for which a source's events, their bodies, its rejects and its local runs are stored.

    If a body is deleted before its event, the event's metadata stays, but it cannot be replayed.
    """

    events: float = 90 * DAY
    bodies: float = 30 * DAY
    rejects: float = 14 * DAY
    runs: float = 30 * DAY


DEFAULT_RETENTION: Final = Retention()


def is_content_deleted(event: Event) -> bool:
    """Return whether the content of an event was deleted, so that it cannot be planned again."""
    return not event.body and not event.files and event.body_sha256 != EMPTY_SHA256
