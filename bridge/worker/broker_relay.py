"""The worker's end of an engine that makes the calls elsewhere: what is leased is handed to a
broker, which may lose or repeat it.

The broker carries a delivery's id and its lease, no more. Whoever gets them begins the attempt in
the store (`claims.begin`), or finds that it is not his to begin. What gets lost is queued again
when its lease has run out, and has spent nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from bridge.store.queue.claims import Claim
from bridge.system.logs import get_logger

log = get_logger()

MAX_RELAYED_DELIVERIES: Final = 200  # deliveries handed over at once

# a delivery's id and its lease; raises where the broker did not take them
Publish = Callable[[str, str], None]


class Relay:
    """Hands claims over. After a failure nothing is leased for the next of `backoff_seconds`."""

    def __init__(self, publish: Publish, backoff_seconds: Sequence[float]) -> None:
        self._publish = publish
        self._backoff_seconds = backoff_seconds
        self._failures = 0
        self._not_before = 0.0

    @property
    def room(self) -> int:
        """How many may be leased now."""
        return MAX_RELAYED_DELIVERIES if time.monotonic() >= self._not_before else 0

    def hand_over(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Hand claims over that are committed; return those that were not, or of which that is not
        known.
        """
        for place, claim in enumerate(claims):
            try:
                self._publish(claim.delivery.id, claim.lease)
            except Exception as error:
                # whatever a broker's client may raise; its text may hold the broker's URL
                wait = self._backoff_seconds[min(self._failures, len(self._backoff_seconds) - 1)]
                self._failures += 1
                self._not_before = time.monotonic() + wait
                log.error(
                    "not_handed_over",
                    error=type(error).__name__,
                    deliveries=len(claims) - place,
                    again_in=wait,
                )
                return claims[place:]
            self._failures = 0
        return ()
