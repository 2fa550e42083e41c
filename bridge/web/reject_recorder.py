"""Recorder of requests that failed verification: few and bounded copies, for diagnosis.

Recording never delays or changes the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bridge.core.errors import StoreError
from bridge.core.http_messages import Request
from bridge.core.model import Reject
from bridge.core.rate_limits import Rate
from bridge.ingest.rejects import build_reject
from bridge.routing.model import Source
from bridge.system.ids import reject_id
from bridge.system.logs import get_logger
from bridge.web.rate_limiter import RateLimiter

log = get_logger()
RECORD_RATE = Rate(count=30, per=60.0)  # copies of one source: a flood fills no disk


@dataclass(frozen=True, slots=True)
class RejectRecorder:
    """Stores rejects, up to a number per minute of each source."""

    keep: Callable[[Reject], None]
    limiter: RateLimiter
    is_full: Callable[[], bool] = lambda: False  # the disk has no room for them

    def record(
        self,
        request: Request,
        source: Source,
        reason: str,
        now: float,
        others: Iterable[Source] = (),
    ) -> str | None:
        """Store a copy and return its id, or None if there are too many or the store fails."""
        if self.is_full() or self.limiter.wait([(f"reject {source.name}", RECORD_RATE)], now):
            return None
        reject = build_reject(request, source, reason, now, reject_id(now), others)
        try:
            self.keep(reject)
        except StoreError as error:
            log.limited(source.name).error(
                "reject_not_stored", source=source.name, error=str(error)
            )
            return None
        return reject.id
