"""Rejects: why they failed verification, which verify now, and their readmission."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.errors import BadSignature, BridgeError
from bridge.core.model import JSON, Reject
from bridge.ingest.diagnosis import diagnose, verifies
from bridge.ingest.rejects import readmit
from bridge.services.serializers import reject_json, whole_reject_json
from bridge.store.inbound import events
from bridge.store.inbound import rejects as stored
from bridge.system.ids import event_id

if TYPE_CHECKING:
    from bridge.providers.signatures.key_source import KeySource
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

NO_FINDING: Final = (
    "no variant of the secret, time and body matched: probably the sender uses another secret, or"
    " the body was changed in transit"
)


def list_reasons(findings: Sequence[str]) -> Sequence[str]:
    """Return the findings for a person: at least one."""
    return findings or [NO_FINDING]


@dataclass(frozen=True, slots=True)
class DiagnosedReject:
    """A reject, and the changes with which it would verify, the most likely first."""

    reject: Reject
    findings: Sequence[str]

    @property
    def reasons(self) -> Sequence[str]:
        """The findings for a person: at least one."""
        return list_reasons(self.findings)

    def as_json(self, *, whole: bool = False) -> dict[str, JSON]:
        """Return it in the shape of `rejects --json`, or (`whole`) of `show --json`."""
        return (whole_reject_json if whole else reject_json)(self.reject, self.findings)


@dataclass(frozen=True, slots=True)
class Readmission:
    """The result of readmitting a reject: the ids of its events, or the problem."""

    reject_id: str
    event_ids: Sequence[str] = ()
    problem: str | None = None

    def as_json(self) -> dict[str, JSON]:
        """Return it in the shape of `rejects readmit --json`."""
        return {
            "id": self.reject_id,
            "ok": self.problem is None,
            "problem": self.problem,
            "events": list(self.event_ids),
        }


@dataclass(frozen=True, slots=True)
class RejectReview:
    """Verifies rejects again with a configuration, at the time of their arrival.

    `keys` fetches the public keys of senders.
    """

    config: Config
    keys: KeySource

    def diagnose(self, reject: Reject) -> DiagnosedReject:
        """Return why a reject failed."""
        return DiagnosedReject(reject, diagnose(reject, self.config, self.keys))

    def list_rejects(
        self, database: Database, *, source: str | None, since: float | None, limit: int
    ) -> Iterator[DiagnosedReject]:
        """Yield the newest `limit` rejects (0: all), each diagnosed when it is taken."""
        found = stored.list_rejects(database, source=source, since=since, limit=limit)
        return map(self.diagnose, found)

    def select(
        self,
        database: Database,
        ids: Sequence[str],
        *,
        source: str | None = None,
        since: float | None = None,
    ) -> list[Reject]:
        """Return the rejects with these ids; without ids, the filtered ones that verify now.

        The latter are oldest first. `NotFound` where an id names none.
        """
        if ids:
            return list(
                {one.id: one for one in (stored.get(database, id_) for id_ in ids)}.values()
            )
        waiting = stored.list_rejects(database, source=source, since=since, waiting=True)
        return [one for one in waiting if verifies(one, self.config, self.keys)][::-1]

    def readmit(self, database: Database, reject: Reject) -> Readmission:
        """Store a reject as events, once, if it verifies now; else return the problem."""
        if not stored.claim(database, reject.id, time.time()):
            problem = (
                "it was readmitted already"
                if reject.readmitted_at
                else "another process is readmitting it"
            )
            return Readmission(reject.id, problem=problem)
        try:
            received = readmit(
                reject,
                self.config,
                keep=lambda arrivals, replan: events.add_all(database, arrivals, replan),
                new_id=lambda: event_id(reject.received_at),
                keys=self.keys,
            )
            ids = tuple(one.event_id for _, one in received.stored)
            stored.record_outcome(database, reject.id, ids)
        except BridgeError as error:
            stored.record_outcome(database, reject.id, None)
            is_unproven = isinstance(error, BadSignature)
            problem = self.diagnose(reject).reasons[0] if is_unproven else str(error)
            return Readmission(reject.id, problem=problem)
        return Readmission(reject.id, ids)
