"""Results of calls, polls and local runs: records that the worker applies between two turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.core.local_runs import LocalFlow, LocalRun
from bridge.core.model import Delivery
from bridge.core.status import Outcome, RunReport
from bridge.flows.process import protocol
from bridge.routing.model import Platform
from bridge.store.queue.claim_round import Claim

FlowKey = tuple[str, str]  # platform, saved_item_id
TrackedRun = tuple[Delivery, int]  # a delivery, and how often its run was polled


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """An attempt has an outcome."""

    claim: Claim
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class PollEnded:
    """A poll of one run has a report. `polls`: how often the run was polled before."""

    delivery: Delivery
    polls: int
    report: RunReport


@dataclass(frozen=True, slots=True)
class ListEnded:
    """A list of a flow's runs was read: `going` are in it and running, `rest` are polled singly.

    `is_useful`: whether the list had any of the wanted runs.
    """

    flow: FlowKey
    platform: Platform
    going: tuple[PollEnded, ...]
    rest: tuple[TrackedRun, ...]
    is_useful: bool


@dataclass(frozen=True, slots=True)
class ReconcileEnded:
    """The run of a start without an answer was looked for. The store has the result."""

    delivery_id: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A local run has ended."""

    run_id: str
    how: protocol.RunEnd


@dataclass(frozen=True, slots=True)
class RunReturned:
    """A local run never began."""

    run_id: str


@dataclass(frozen=True, slots=True)
class RunLost:
    """A local run was cut off."""

    run_id: str


@dataclass(frozen=True, slots=True)
class FlowsLoaded:
    """flows.py was loaded, with these flows."""

    flows: list[LocalFlow]


@dataclass(frozen=True, slots=True)
class FlowsBroken:
    """flows.py could not be loaded. `for_good`: until it changes."""

    why: str
    for_good: bool


@dataclass(frozen=True, slots=True)
class HostDied:
    """The flow host has died: the worker cannot start a run any more."""


Result = (
    AttemptEnded
    | PollEnded
    | ListEnded
    | ReconcileEnded
    | RunEnded
    | RunReturned
    | RunLost
    | FlowsLoaded
    | FlowsBroken
    | HostDied
)
ReportResult = Callable[[Result], None]


@dataclass(slots=True)
class PendingResults:
    """The results since the last turn, which the next one stores."""

    attempts: list[AttemptEnded] = field(default_factory=list)
    polls: list[PollEnded] = field(default_factory=list)
    runs: list[tuple[LocalRun, protocol.RunEnd]] = field(default_factory=list)
    returned: list[LocalRun] = field(default_factory=list)  # never begun
    lost: list[LocalRun] = field(default_factory=list)  # cut off

    def __bool__(self) -> bool:
        """Return whether there is anything to store."""
        return bool(self.attempts or self.polls or self.runs or self.returned or self.lost)

    def each(self) -> list[PendingResults]:
        """Return every result by itself."""
        return [
            *(PendingResults(attempts=[attempt]) for attempt in self.attempts),
            *(PendingResults(polls=[poll]) for poll in self.polls),
            *(PendingResults(runs=[run]) for run in self.runs),
            *(PendingResults(returned=[run]) for run in self.returned),
            *(PendingResults(lost=[run]) for run in self.lost),
        ]
