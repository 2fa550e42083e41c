"""Outcomes of starts, and reports of runs, as a platform's answers were parsed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bridge.core.model import JSON, RunState


class OutcomeKind(StrEnum):
    """Outcomes of an attempt."""

    STARTED = "started"
    REFUSED = "refused"  #: it certainly did not start, and a retry may help
    #: it certainly did not start because the platform is full; spends no attempt
    THROTTLED = "throttled"
    #: it certainly did not start because the platform refused our credentials; spends no attempt
    UNAUTHORIZED = "unauthorized"
    REJECTED = "rejected"  #: it certainly did not start, and a retry cannot help
    UNKNOWN = "unknown"  #: it may have started


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A platform's parsed answer to a start.

    `run_id` and `run_url` are set only where the flow started and the platform has runs. `ours`:
    the bridge itself ended the call, so the outcome says nothing about the platform. `made`:
    whether a call was made; else no attempt is spent. `saved_item_id`: the flow that the platform
    names as started, if it names one. `held`: only a person can find out whether a run started, so
    the bridge neither repeats the start nor searches for its run.
    """

    kind: OutcomeKind
    detail: str = ""
    run_id: str | None = None
    run_url: str | None = None
    retry_after: float | None = None
    status_code: int | None = None
    ours: bool = False
    made: bool = True
    saved_item_id: str | None = None
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """A platform's parsed answer to a poll of a run. `state` is null where `detail` says why."""

    state: RunState | None
    raw_state: str | None = None
    outputs: JSON = None
    log: tuple[str, ...] = ()
    created_at: float | None = None
    finished_at: float | None = None
    detail: str = ""
    gone: bool = False  #: the platform says that it has no such run
