"""Times of the stages of a request, for its trace."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from bridge.monitoring.spans import Stage


@dataclass(slots=True)
class StageTimes:
    """The times of the stages, in nanoseconds since 1970; 0 for one that was not reached."""

    began: int = field(default_factory=time.time_ns)
    verified: int = 0
    planned: int = 0
    stored: int = 0

    def stages(self) -> list[Stage]:
        """Return the stages of a request that has ended; a duplicate is not stored."""
        now = time.time_ns()
        verified = self.verified or now
        planned = self.planned or now
        return [
            Stage("verify", self.began, verified),
            Stage("plan", verified, planned),
            Stage("keep", planned, self.stored or now),
        ]
