"""What a turn of the worker starts from and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.flows.wire import Ended as RunEnded
from bridge.flows.wire import Spec
from bridge.logs import get_logger
from bridge.model import Delivery, Kind, LocalFlow, LocalRun, Outcome, RunReport, Status
from bridge.store.ledger import Claim

log = get_logger()


@dataclass(slots=True)
class Ended:
    """What has ended since the last turn."""

    attempts: list[tuple[Claim, Outcome]] = field(default_factory=list)
    looks: list[tuple[Delivery, int, RunReport]] = field(default_factory=list)
    runs: list[tuple[LocalRun, RunEnded]] = field(default_factory=list)
    returned: list[LocalRun] = field(default_factory=list)  # never begun
    lost: list[LocalRun] = field(default_factory=list)  # cut off

    def __bool__(self) -> bool:
        """Whether anything has."""
        return bool(self.attempts or self.looks or self.runs or self.returned or self.lost)

    def each(self) -> list[Ended]:
        """Return every one by itself."""
        return [
            *(Ended(attempts=[one]) for one in self.attempts),
            *(Ended(looks=[one]) for one in self.looks),
            *(Ended(runs=[one]) for one in self.runs),
            *(Ended(returned=[one]) for one in self.returned),
            *(Ended(lost=[one]) for one in self.lost),
        ]


@dataclass(slots=True)
class Taken:
    """What a turn has taken on, and what it has moved."""

    claims: list[Claim] = field(default_factory=list)
    looks: list[tuple[Delivery, int]] = field(default_factory=list)
    runs: list[tuple[LocalRun, Spec]] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    flows: list[LocalFlow] | None = None
    settled: list[tuple[Claim, Outcome, Status | None]] = field(default_factory=list)
    over: list[tuple[Delivery, RunReport]] = field(default_factory=list)
    reaped: list[tuple[Delivery, Status]] = field(default_factory=list)


def note(taken: Taken) -> None:
    """Log what a turn has settled: one line per attempt and per run's end, ids and outcomes only."""
    for claim, outcome, status in taken.settled:
        one = claim.delivery
        level = log.info if outcome.kind is Kind.STARTED else log.warning
        level("attempt", delivery_id=one.id, event_id=one.event_id, route=one.route, flow=one.flow, platform=one.platform,
              attempt=claim.attempt, outcome=outcome.kind.value, status=status, run_id=outcome.run_id,
              detail=outcome.detail or None)  # fmt: skip
    for followed, report in taken.over:
        log.info("run", delivery_id=followed.id, event_id=followed.event_id, run_id=followed.run_id, state=report.state)
    for followed, status in taken.reaped:
        log.warning("taken_over", delivery_id=followed.id, event_id=followed.event_id, status=status)
