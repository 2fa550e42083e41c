"""How long what came in is kept, before it goes by itself. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from bridge.core.fingerprints import NOTHING
from bridge.core.model import Event

DAY: Final = 86400.0  # seconds
FOR_EVER: Final = math.inf
DEDUP_FOR: Final = 400 * DAY  # seconds that provider ids are stored, where the source does not say
#: An event that a sender repeats within days is known as a duplicate by its row, and a local start
#: that is repeated by that of its run.
LEAST: Final = {"events": 4 * DAY, "bodies": 3600.0, "rejects": 3600.0, "runs": 4 * DAY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Seconds that a source's events, their bodies, its rejects, and the local platform's runs of
    its events are kept.

    A body goes alone where it goes before its event: what is known of the event stays, but it
    cannot be replayed any more.
    """

    events: float = 90 * DAY
    bodies: float = 30 * DAY
    rejects: float = 14 * DAY
    runs: float = 30 * DAY


DEFAULT: Final = Retention()


def is_emptied(event: Event) -> bool:
    """Tell whether what was in an event was let go: then it cannot be planned any more."""
    return not event.body and not event.files and event.body_sha256 != NOTHING
