"""Operations of a person on stored events or deliveries, and their steps. Pure.

A replay has events as its steps, any other operation has deliveries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.core.model import JSON


class StepOutcome(StrEnum):
    """Outcomes of one step of an operation."""

    DONE = "done"
    REFUSED = "refused"  #: nothing was done; its problem says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One command of a person, applied to everything it selected before it began.

    `asked` is the command's options, such as `filters`. `chosen` is the number of selected items;
    null if the operation ended while it recorded its selection, so that it did nothing. `worked_at`
    is the time of the latest commit. `resumed`: (actor, time) of each resumption.
    """

    seq: int
    id: str
    command: str
    actor: str
    created_at: float
    asked: Mapping[str, JSON]
    chosen: int | None = None
    done: int = 0
    refused: int = 0
    worked_at: float | None = None
    finished_at: float | None = None
    resumed: tuple[tuple[str, float], ...] = ()

    @property
    def left(self) -> int:
        """The number of items that are not processed yet."""
        return (self.chosen or 0) - self.done - self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStep:
    """One step of an operation; null `outcome` before it is processed.

    `was` and `became` are the statuses of a delivery that was changed; `made` the deliveries that a
    replay planned.
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
