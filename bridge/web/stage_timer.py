"""When the stages of a request began and ended, for its trace: seen by who makes the ids, and by
who keeps the events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bridge.core.model import Delivery, Event
from bridge.ingest.forms.spam.check import Gate
from bridge.ingest.forms.spam.dedup import Marks
from bridge.ingest.ports import Arrivals, Keep, Kept, Replan
from bridge.monitoring.spans import Stage


@dataclass(slots=True)
class Stages:
    """Times in nanoseconds since 1970. What a stage is done by is wrapped; nothing else changes."""

    began: int = field(default_factory=time.time_ns)
    verified: int = 0  # an id is made once a request is an event
    planned: int = 0
    kept: int = 0

    def new_id(self, make: Callable[[float], str]) -> Callable[[float], str]:
        """Return what makes ids: the first ends the verification."""

        def noting(now: float) -> str:
            self.verified = self.verified or time.time_ns()
            return make(now)

        return noting

    def keep(self, keep: Keep) -> Keep:
        """Return what keeps events: it begins when they are planned."""

        def noting(arrivals: Arrivals, replan: Replan) -> Sequence[Kept]:
            self.planned = time.time_ns()
            kept = keep(arrivals, replan)
            self.kept = time.time_ns()
            return kept

        return noting

    def gate(self, gate: Gate) -> Gate:
        """Return the gate of forms, which keeps what is submitted."""

        def noting(
            event: Event, deliveries: Sequence[Delivery], marks: Marks, replan: Replan
        ) -> Kept:
            self.planned = time.time_ns()
            kept = gate.submit(event, deliveries, marks, replan)
            self.kept = time.time_ns()
            return kept

        return replace(gate, submit=noting)

    def over(self) -> list[Stage]:
        """Return the stages of a request that was kept; one that only repeats another is not always
        planned and kept again.
        """
        now = time.time_ns()
        verified = self.verified or now
        planned = self.planned or now
        return [
            Stage("verify", self.began, verified),
            Stage("plan", verified, planned),
            Stage("keep", planned, self.kept or now),
        ]
