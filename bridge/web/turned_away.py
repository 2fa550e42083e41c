"""Keep a copy of a request that failed verification, for a person to look at: seldom, small, and never in the way of the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bridge.errors import StoreError
from bridge.ids import reject_id
from bridge.logs import get_logger
from bridge.model import Reject, Request
from bridge.rejects import reject_of
from bridge.routes import Rate, Source
from bridge.web.rate import Limiter

log = get_logger()
OFTEN = Rate(count=30, per=60.0)  # copies of one source; a flood is counted in the log, not on the disk


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Keeps rejects, so many a minute of each source and no more."""

    keep: Callable[[Reject], None]
    limiter: Limiter

    def note(self, request: Request, source: Source, reason: str, now: float) -> str | None:
        """Keep a copy and return its id, or None where there are too many or the store fails: the answer is the same."""
        if self.limiter.wait(f"reject {source.name}", OFTEN, now):
            return None
        reject = reject_of(request, source, reason, now, reject_id(now))
        try:
            self.keep(reject)
        except StoreError as error:
            log.error("reject_not_kept", source=source.name, error=str(error))
            return None
        return reject.id
