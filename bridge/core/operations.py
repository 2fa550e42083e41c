"""Operations of a person on what is stored, and their steps. Pure.

Each command has steps of one kind, such as deliveries, events or rejects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from bridge.core.model import JSON

#: The routes by which an event is planned again: those of now, or those it was planned with first.
NOW: Final = "now"
THEN: Final = "then"
WORKER: Final = "worker"  # the driver of an operation that a worker carries out
#: After which a command that does nothing counts as stopped: it does its own items.
COMMAND_QUIET_SECONDS: Final = 60.0


class StepOutcome(StrEnum):
    """Outcomes of one step of an operation."""

    DONE = "done"
    REFUSED = "refused"  #: nothing was done; its problem says why


class OperationState(StrEnum):
    """States of an operation."""

    PROPOSED = "proposed"  #: its items are stored, and it does nothing until it is agreed to
    EXPIRED = "expired"  #: it was proposed, and the time to agree to it is over
    WAITING = "waiting"  #: no worker has begun it, or starts are on hold
    RUNNING = "running"
    STOPPED = "stopped"  #: it does nothing until it is resumed
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRequest:
    """The request over HTTP that began an operation.

    `token` is the id of its token, `key` its `Idempotency-Key`, and `digest` that of its body.
    `proposed_until`: until when that token may agree to it; null for an operation that needs no
    agreement. `counted` is the count that was answered.
    """

    token: str
    key: str | None = None
    digest: str | None = None
    proposed_until: float | None = None
    counted: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One command of a person, applied to everything it selected before it began.

    `request` is the body that `POST /operations` takes. `count` is the number of selected items;
    null if the operation ended while it recorded its selection, so that it did nothing.
    `last_progress_at` is the time of the latest commit. `resumed`: (actor, time) of each
    resumption.

    `driver` is `WORKER` for an operation that a worker carries out, and null for a command, which
    does its own items. `token` and the fields after it are those of `ClientRequest`.
    """

    seq: int
    id: str
    command: str
    actor: str
    created_at: float
    request: Mapping[str, JSON]
    count: int | None = None
    done: int = 0
    refused: int = 0
    last_progress_at: float | None = None
    finished_at: float | None = None
    resumed: tuple[tuple[str, float], ...] = ()
    driver: str | None = None
    token: str | None = None
    request_key: str | None = None
    request_digest: str | None = None
    counted: Mapping[str, JSON] | None = None
    proposed_until: float | None = None
    agreed_at: float | None = None
    stopped_at: float | None = None

    @property
    def is_agreed(self) -> bool:
        """Whether it may be carried out."""
        return self.proposed_until is None or self.agreed_at is not None

    def state(self, now: float, *, is_held: bool = False) -> OperationState:
        """Return its state. `is_held`: starts are on hold, so that workers wait."""
        if self.finished_at is not None:
            return OperationState.DONE
        if not self.is_agreed:
            is_open = self.proposed_until is not None and now < self.proposed_until
            return OperationState.PROPOSED if is_open else OperationState.EXPIRED
        if self.stopped_at is not None or self.count is None:
            return OperationState.STOPPED
        if self.driver == WORKER:
            is_waiting = is_held or self.last_progress_at is None
            return OperationState.WAITING if is_waiting else OperationState.RUNNING
        quiet_for = now - (self.last_progress_at or self.created_at)
        is_quiet = quiet_for >= COMMAND_QUIET_SECONDS
        return OperationState.STOPPED if is_quiet else OperationState.RUNNING

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of its command, as they were given."""
        options = self.request.get("how")
        return options if isinstance(options, dict) else {}

    @property
    def left(self) -> int:
        """The number of items that are not processed yet."""
        return (self.count or 0) - self.done - self.refused


EVENT_ID_PREFIX: Final = "evt_"
DELIVERY_ID_PREFIX: Final = "dlv_"
#: Items without an outcome, beside the words of `StepOutcome`.
OPEN_ITEMS: Final = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStep:
    """One step of an operation; null `outcome` before it is processed.

    `was` and `became` are the statuses of a delivery that was changed; `made` the deliveries that a
    replay planned, or the events that a readmitted reject became and their deliveries.
    """

    act: int
    number: int
    item_id: str
    outcome: StepOutcome | None = None
    problem: str | None = None
    was: str | None = None
    became: str | None = None
    made: tuple[str, ...] = ()
    at: float | None = None

    @property
    def event_ids(self) -> tuple[str, ...]:
        """The events that it made."""
        return tuple(
            identifier for identifier in self.made if identifier.startswith(EVENT_ID_PREFIX)
        )

    @property
    def delivery_ids(self) -> tuple[str, ...]:
        """The deliveries that it changed or made."""
        if self.became is not None:
            return (self.item_id,)
        return tuple(
            identifier for identifier in self.made if not identifier.startswith(EVENT_ID_PREFIX)
        )


def are_deliveries(ids: Sequence[str]) -> bool:
    """Return whether there are ids, all of deliveries."""
    return bool(ids) and all(id_.startswith(DELIVERY_ID_PREFIX) for id_ in ids)
