"""Side effects of preparing a request: store files, fetch keys, check submissions. Pure.

`prepare` decides; `Effects` act. By default they do nothing; a receiver, a dry run and a readmitted
reject each override what they do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from bridge.core.http_messages import Request
from bridge.core.model import Body
from bridge.core.records import record
from bridge.ingest.forms.attachments import digest
from bridge.ingest.forms.parser import Sent
from bridge.ingest.forms.spam.check import CheckedSubmission
from bridge.ingest.forms.spam.dedup import SubmissionMarks
from bridge.ingest.ports import Arrivals, Replan
from bridge.providers.signatures.key_source import NO_KEYS, DocumentRequest, KeySource
from bridge.routing.form import Form
from bridge.routing.model import Source

NOT_CONFIRMED: Final = (
    "its URL could not be fetched, or the answer did not confirm it (see the log)"
)
NOTHING_FETCHED: Final = "no URL is fetched for a dry run or a readmitted reject"


@record
class PreparedRequest:
    """A verified request whose events are ready to be stored.

    `marks`: what the store remembers of a checked submission, so that it counts once and in its
    rate. `body`: what was sent. `fault`: the error that stopped planning. `place`: the index of the
    secret that verified it.
    """

    source: Source
    arrivals: Arrivals
    replan: Replan
    body: Body
    marks: SubmissionMarks | None = None
    fault: Exception | None = None
    place: int | None = None


class Effects(Protocol):
    """The side effects that `prepare` needs. By default nothing is fetched, checked or stored.

    Only `keys`, `confirm`, `check_submission` and `store_file` may wait for a network, a disk or a
    database; the others return at once. Before the first of those nothing lasting has happened, so
    a caller whose effects may not wait can give up there and call `prepare` again elsewhere, with
    effects that may.
    """

    @property
    def keys(self) -> KeySource:
        """Return the keys that senders publish, fetched when one is needed."""
        return NO_KEYS

    def confirm(self, request: DocumentRequest, answer: bytes) -> str | None:
        """Confirm a subscription by fetching a document, which must contain `answer`.

        Return None, or why the subscription is not confirmed.
        """
        return NOTHING_FETCHED

    def note_submission(self, sent: Sent) -> None:
        """Record a parsed submission before it is checked."""
        return

    def check_submission(
        self, request: Request, body: Body, source: Source, form: Form, now: float, size: int
    ) -> CheckedSubmission | None:
        """Check a form's submission for spam, its rates and its room; None where forms are not
        checked. `size`: bytes of the body that would be stored. Raises `Refused`.
        """
        return None

    def store_file(self, content: memoryview) -> str:
        """Store a form's file and return its SHA-256 once it is on disk."""
        return digest(content)

    def mark_verified(self) -> None:
        """Record that the request is verified, before its events are planned."""
        return

    def new_id(self, now: float, /) -> str:
        """Return the id of a new event."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class OfflineEffects(Effects):
    """Effects that fetch at most keys and store nothing, for a readmitted reject and a dry run."""

    new_id: Callable[[float], str] = field()
    keys: KeySource = NO_KEYS
