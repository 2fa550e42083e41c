"""The protocol between reading commands and a bridge: its store here, or its admin API.

Both ways return the JSON of the admin API. Commands print from that only, so that both print the
same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bridge.core.model import JSON

if TYPE_CHECKING:
    from bridge.services.exports import SubmissionList
    from bridge.services.saved_files import EventFiles

Shape = Mapping[str, JSON]
#: Filters of events and deliveries, by the names of the command's arguments.
Chosen = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NamedShape:
    """The JSON of the record that an id names: an event with its deliveries, or a reject.

    `alert_id`: an alert of flowbridge itself that is newer, if no id was given.
    """

    shape: Shape
    is_reject: bool = False
    alert_id: str | None = None


@dataclass(frozen=True, slots=True)
class CauseList:
    """The causes of dead deliveries. `read_until`: since when they were read, null for all."""

    items: Sequence[Shape]
    read_until: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeShape:
    """The JSON of a change: of an event with its deliveries, or of a delivery; the other is None.

    `at`: when the event was received, or the change of the delivery was seen.
    """

    at: float
    event: Shape | None = None
    delivery: Shape | None = None


class ChangeReader(Protocol):
    """Reads what changed since the last call."""

    @property
    def poll_seconds(self) -> float:
        """The pause between two calls."""

    def read_changes(self) -> Iterator[ChangeShape]:
        """Yield new events, and deliveries whose state changed."""


class BridgeReader(Protocol):
    """Reads a bridge. `limit` 0 is no limit. Each list has the newest first."""

    def read_status(self) -> Shape:
        """Return the status, as `status --json`."""

    def list_events(self, chosen: Chosen, limit: int) -> Iterator[Shape]:
        """Yield events with their deliveries."""

    def list_deliveries(
        self, chosen: Chosen, limit: int, *, with_screen: bool
    ) -> Iterator[tuple[Shape, Shape]]:
        """Yield deliveries, each with the advice that only a screen shows (empty without
        `with_screen`).
        """

    def open_submissions(
        self, chosen: Chosen, limit: int
    ) -> AbstractContextManager[SubmissionList | None]:
        """Open the submissions among the newest `limit` events, oldest first.

        None where nothing is stored yet.
        """

    def follow_changes(self, chosen: Chosen) -> ChangeReader:
        """Return a reader of the changes from now on. Its first ones are deliveries in flight."""

    def read_record(self, id_: str | None, *, with_screen: bool) -> NamedShape:
        """Return the event or the reject that an id names; None names the newest event.

        `with_screen`: an event has the key `screen`. `NotFound` where none has such an id.
        """

    def find_files(self, id_: str | None) -> EventFiles | None:
        """Return the files of the event that an id names; None where it names a reject."""

    def list_alerts(self) -> Shape:
        """Return the open alerts as `items`, and what a screen shows as `screen`."""

    def list_rejects(
        self, *, source: str | None, since: float | None, limit: int
    ) -> Iterator[Shape]:
        """Yield rejects, each with its diagnosis."""

    def list_operations(
        self, *, since: float | None, unfinished: bool, limit: int
    ) -> Iterator[Shape]:
        """Yield operations."""

    def read_operation(self, id_: str) -> Shape:
        """Return an operation. `NotFound` where none has such an id."""

    def list_items(self, id_: str, *, outcome: str | None, limit: int) -> Iterator[Shape]:
        """Yield the items of an operation in their order."""

    def stop_operation(self, id_: str) -> Shape:
        """Stop an operation that a worker carries out, and return it."""

    def list_audit(self, *, since: float | None, action: str | None, limit: int) -> Iterator[Shape]:
        """Yield entries of the audit log."""

    def read_causes(self, chosen: Chosen) -> CauseList:
        """Return the causes of dead deliveries, the most frequent first."""

    def read_trend(
        self, name: str, *, since: float, step: int | None, only: Mapping[str, str]
    ) -> Sequence[Shape]:
        """Return the points of a trend, oldest first. `InvalidRequest` for a wrong name or step."""

    def explain_unset(self, source: str | None) -> Iterator[str]:
        """Yield which sources store no rejects because a secret is not set; of all, or of one."""

    def explain_empty(self, what: str) -> str:
        """Return what to print where nothing is stored, such as no `events`."""
