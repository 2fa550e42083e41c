"""What is counted: what was sent, what was started, and what is found to be wrong. No I/O, no
clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: What can be wrong, and what it means.
FINDING_KINDS: Final[Mapping[str, str]] = {
    "lost": (
        "acknowledged, and not in the store; or its delivery is not there, ended without a reason,"
        " or was never started"
    ),
    "started_twice": (
        "started again where nothing declares that it may be, or where nothing was to be started"
    ),
    "ghost": "started, and its event is not in the store",
    "altered": "kept or started with something else than what was sent",
    "kept_twice": "one id of the sender is two events",
    "forged": "a request with a wrong signature became an event",
    "unsettled": "still waiting or under way at the end",
    "stuck": (
        "held by a lease, by a slot or by an attempt without an outcome, and nobody works on it"
    ),
    "out_of_order": "started before an earlier one of the same key, or while its run was going on",
    "over_cap": "more runs of a route at once than it allows",
    "database": "the database's own check found something",
    "process": "flowbridge did not come back, or did not end when it was told to",
}


@dataclass(slots=True)
class SentEvent:
    """One event as its sender knows it. `acknowledged`: the event ids that 2xx answers told, in
    their order; empty where none was told.
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
    """One execution, as the platform (or the local flow) wrote it down itself. `ended_at` is null
    for a run that never ends.
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
    """One thing that is wrong: a word of WRONG, the id it is about, and what is known of it."""

    kind: str
    id: str
    text: str


@dataclass(slots=True)
class Account:
    """What came out. `counts` are the numbers of the certificate."""

    counts: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add_finding(self, kind: str, id_: str, text: str) -> None:
        """Note that something is wrong."""
        if kind not in FINDING_KINDS:
            raise ValueError(kind)
        self.findings.append(Finding(kind, id_, text))
