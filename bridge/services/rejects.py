"""Rejects: why they failed verification, and which verify now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bridge.core.advice import Advice, advise, name_command
from bridge.core.model import JSON, Reject
from bridge.ingest.diagnosis import NO_FINDING, diagnose, verifies
from bridge.ingest.redaction import add_all_keys
from bridge.services.learned_sources import add_learned_secrets
from bridge.services.records.event_records import REJECT, REJECT_DETAILS
from bridge.store.encryption import sealer_for_secrets
from bridge.store.inbound import rejects as stored

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.providers.signatures.key_source import KeySource
    from bridge.routing.model import Config
    from bridge.store.db.database import Database


#: Reasons that a change of the source's settings ends.
CORRECTED: Final = {
    "no_secret": "set its secret in .env",
    "mismatch": "if the sender is yours, correct its secret in .env",
    "malformed": "if the sender is yours, correct `verify` of the source",
    "not_pinned": "if the sender is yours, correct the pins of the source",
    "no_key": "when the key of the sender can be fetched",
}


def describe_next_step(reject: Reject) -> Advice | None:
    """Return how to make an event of a reject, None where it is one or nothing makes one of it."""
    fix = CORRECTED.get(reject.reason)
    if fix is None or reject.event_ids or reject.cut:
        return None
    return advise(f"{fix}; then ", name_command("rejects readmit", source=reject.source))


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

    def as_json(self, *, whole: bool = False, with_contents: bool = True) -> dict[str, JSON]:
        """Return it in the shape of `rejects --json`, or (`whole`) of `show --json`."""
        kind = REJECT_DETAILS if whole else REJECT
        return kind.write(self.reject, with_contents=with_contents, diagnosis=self.findings)


@dataclass(frozen=True, slots=True)
class ValidRejects:
    """The ids of rejects that verify now, and how many others do not."""

    ids: Sequence[str]
    invalid: int


def complete_config(settings: Settings, database: Database, config: Config) -> Config:
    """Return a configuration with everything that receivers verify with: the keys of redaction and
    encryption, and the learned secrets.
    """
    keyed = add_all_keys(config, settings.secret_key, seals=bool(settings.encryption_keys))
    sources = add_learned_secrets(
        database,
        keyed.sources,
        lambda: sealer_for_secrets(settings.encryption_keys, settings.secret_key),
    )
    return replace(keyed, sources=sources)


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

    def find_valid(
        self,
        database: Database,
        *,
        source: str | None = None,
        since: float | None = None,
        check: Callable[[], object] = lambda: None,
    ) -> ValidRejects:
        """Return the rejects that verify now and were not readmitted, oldest first.

        `check` is called before each, and ends the search by an exception.
        """
        ids = []
        invalid = 0
        for reject in stored.list_rejects(database, source=source, since=since, waiting=True):
            check()
            if verifies(reject, self.config, self.keys):
                ids.append(reject.id)
            else:
                invalid += 1
        return ValidRejects(ids[::-1], invalid)
