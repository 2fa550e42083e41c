"""The records of the accounting: sent events, executed starts, findings. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: kind of finding -> its meaning
FINDING_KINDS: Final[Mapping[str, str]] = {
    "lost": (
        "acknowledged, but not in the store; or its delivery is missing, ended without a reason, or"
        " was never started"
    ),
    "started_twice": (
        "started again without a declaration that allows it, or started although the route starts"
        " nothing"
    ),
    "ghost": "started, but its event is not in the store",
    "altered": "stored or started with other data than the sender sent",
    "kept_twice": "one id of the sender became two events",
    "forged": "a request with a wrong signature became an event",
    "unsettled": "still waiting or in progress at the end",
    "stuck": "no process works on it, but it has a lease, a slot or an attempt without an outcome",
    "put_off": "it was to wait longer than its Retry-After, its rate or its retry interval says",
    "out_of_order": "started before an earlier event of the same key, or while its run was active",
    "over_cap": "a route had more concurrent runs than it allows",
    "database": "the integrity check of the database found a problem",
    "process": "flowbridge did not become ready again, or did not stop on SIGTERM",
}


@dataclass(slots=True)
class SentEvent:
    """An event as its sender knows it.

    `acknowledged`: the event ids of the 2xx answers, in order; "" for an answer without one.
    """

    id: str
    type: str
    sha256: str
    forged: bool = False
    tries: int = 0
    refused: int = 0
    unanswered: int = 0
    acknowledged: list[str] = field(default_factory=list)
    last_status: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """An executed start, from the record of the platform or the local flow.

    `ended_at` is None for a run that never ends.
    """

    at: float
    platform: str
    route: str
    event_id: str
    id: str
    key: str = ""
    run_id: str | None = None
    idempotency_key: str | None = None
    ended_at: float | None = None
    fault: str = "ok"
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem: its kind (of `FINDING_KINDS`), the affected id, and the details."""

    kind: str
    id: str
    text: str


@dataclass(slots=True)
class Account:
    """The result of the accounting. `counts` are the numbers of the certificate."""

    counts: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add_finding(self, kind: str, id_: str, text: str) -> None:
        """Add a finding of a known kind."""
        if kind not in FINDING_KINDS:
            raise ValueError(kind)
        self.findings.append(Finding(kind, id_, text))
