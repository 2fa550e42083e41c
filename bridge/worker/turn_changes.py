"""The changes and claims of a turn, and their log lines and counts."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from bridge.core.local_runs import LocalFlow, LocalRun
from bridge.core.model import Delivery, Status
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.flows.process.protocol import RunSpec
from bridge.monitoring.counters import COUNTS
from bridge.monitoring.metrics import ATTEMPTS, DEATHS, RUNS, TAKEN_OVER
from bridge.store.local import runs
from bridge.store.queue import leases, run_tracking
from bridge.store.queue.claim_round import Claim
from bridge.system.logs import gather_lines, get_logger

log = get_logger()


@dataclass(slots=True)
class TurnChanges:
    """The claims of a turn, and the deliveries that it has changed."""

    claims: list[Claim] = field(default_factory=list)
    polls: list[tuple[Delivery, int]] = field(default_factory=list)
    runs: list[tuple[LocalRun, RunSpec]] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)
    flows: list[LocalFlow] | None = None
    settled: list[tuple[Claim, Outcome, Status | None]] = field(default_factory=list)
    over: list[tuple[Delivery, RunReport]] = field(default_factory=list)
    reaped: list[tuple[Claim, Status]] = field(default_factory=list)

    @property
    def begins(self) -> bool:
        """Whether there are calls, polls or runs to start."""
        return bool(self.claims or self.polls or self.runs)


def hand_back(connection: Connection, taken: TurnChanges, worker: str, now: float) -> None:
    """Hand back the claims of a turn, if they were stored: none of them has begun."""
    leases.return_claims(connection, taken.claims)
    run_tracking.return_polls(connection, [delivery.id for delivery, _ in taken.polls], now)
    runs.return_to_queue(connection, [run.id for run, _ in taken.runs], worker, now)


def log_changes(taken: TurnChanges) -> None:
    """Log and count attempts and ended runs: a line for each, with ids and outcomes only."""
    with gather_lines():
        _log_lines(taken)


def _log_lines(taken: TurnChanges) -> None:
    for claim, outcome, status in taken.settled:
        log_attempt(claim, outcome, status)
    for followed, report in taken.over:
        since = followed.delivered_at
        until = report.finished_at
        seconds = None if since is None or until is None else round(max(until - since, 0.0), 3)
        log.info(
            "run",
            delivery_id=followed.id,
            event_id=followed.event_id,
            route=followed.route,
            flow=followed.flow,
            run_id=followed.run_id,
            state=report.state,
            seconds=seconds,
        )
        COUNTS.add(RUNS, followed.route, str(report.state or "unseen"))
    for claim, status in taken.reaped:
        log.warning(
            "taken_over",
            delivery_id=claim.delivery.id,
            event_id=claim.delivery.event_id,
            status=status,
        )
        COUNTS.add(TAKEN_OVER, claim.delivery.route)


def log_attempt(claim: Claim, outcome: Outcome, status: Status | None) -> None:
    """Log and count the outcome of a call. `status`: of its delivery, None if it was not stored."""
    delivery = claim.delivery
    level = log.info if outcome.kind is OutcomeKind.STARTED else log.warning
    level(
        "attempt",
        delivery_id=delivery.id,
        event_id=delivery.event_id,
        route=delivery.route,
        flow=delivery.flow,
        platform=delivery.platform,
        attempt=claim.attempt,
        outcome=outcome.kind.value,
        status=status,
        run_id=outcome.run_id,
        status_code=outcome.status_code,
        detail=_detail(outcome),
    )
    COUNTS.add(ATTEMPTS, delivery.platform, outcome.kind.value)
    if status is Status.DEAD:
        COUNTS.add(DEATHS, delivery.route)


def _detail(outcome: Outcome) -> str | None:
    """Return why there was no answer.

    An answer of a platform is not logged, since it may quote the inputs; its attempt has it.
    """
    return outcome.detail or None if outcome.status_code is None else None
