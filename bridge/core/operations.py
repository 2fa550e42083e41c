"""What a person did to what is kept: an act, and what became of each item it had chosen. Pure.

An act that replays has events as its items, any other has deliveries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bridge.core.model import JSON


class Became(StrEnum):
    """What an act came to for one of its items."""

    DONE = "done"
    REFUSED = "refused"  #: nothing was done; its problem says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One command of a person, on all that it chose before it began.

    `asked` is what the command was told: `filters`, and how. `chosen` is null for one that was
    ended while it wrote down what it had
    chosen: it did nothing. `worked_at` is the time of the latest commit. `resumed`: who went on
    with it, and when, as (actor, time).
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
        """How many items nothing has become of yet."""
        return (self.chosen or 0) - self.done - self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of an act: null `outcome` where its turn has not come.

    `was` and `became` are the statuses of a delivery that was moved; `made` the deliveries that a
    replay has planned.
    """

    act: int
    number: int
    item_id: str
    outcome: Became | None = None
    problem: str | None = None
    was: str | None = None
    became: str | None = None
    made: tuple[str, ...] = ()
    at: float | None = None
