"""The relay of leased deliveries to a broker, for an engine that makes the calls elsewhere.

The broker carries only a delivery's id and its lease, and may lose or repeat a message. The process
that gets one begins the attempt in the store (`leases.begin_attempt`), unless another has begun it.
When the lease of a lost delivery runs out, a worker queues it again; it has used no attempt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from bridge.store.queue.claim_round import Claim
from bridge.system.logs import get_logger

log = get_logger()

MAX_RELAYED_DELIVERIES: Final = 200  # at once

# takes a delivery's id and its lease; raises where the broker did not accept them
Publish = Callable[[str, str], None]


class BrokerRelay:
    """Sends claims to the broker. After a failure it leases none for the next `backoff_seconds`."""

    def __init__(self, publish: Publish, backoff_seconds: Sequence[float]) -> None:
        self._publish = publish
        self._backoff_seconds = backoff_seconds
        self._failures = 0
        self._not_before = 0.0

    @property
    def free_slots(self) -> int:
        """How many deliveries may be leased now."""
        return MAX_RELAYED_DELIVERIES if time.monotonic() >= self._not_before else 0

    def hand_over(self, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Send committed claims to the broker, and return those that it may not have accepted."""
        for place, claim in enumerate(claims):
            try:
                self._publish(claim.delivery.id, claim.lease)
            except Exception as error:
                # A client may raise any exception, and its text may hold the broker's URL.
                wait = self._backoff_seconds[min(self._failures, len(self._backoff_seconds) - 1)]
                self._failures += 1
                self._not_before = time.monotonic() + wait
                log.error(
                    "broker_failed",
                    error=type(error).__name__,
                    deliveries=len(claims) - place,
                    again_in=wait,
                )
                return claims[place:]
            self._failures = 0
        return ()
