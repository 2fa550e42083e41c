"""What the store makes of what was received, and who keeps it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from bridge.errors import Refused
from bridge.model import Delivery, Event


class Kept(Protocol):
    """What the store made of a request."""

    @property
    def event_id(self) -> str:
        """The event's id: the known one's where this is a duplicate."""

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The deliveries that are new."""

    @property
    def duplicate(self) -> bool:
        """Whether it only repeats a known event."""


Arrivals = Sequence[tuple[Event, Sequence[Delivery]]]
Replan = Callable[[Event, str], Sequence[Delivery]]
Keep = Callable[[Arrivals, Replan], Sequence[Kept]]


def no_room() -> Refused:
    """Return what is answered where a source has no room for the files that came."""
    return Refused(507, "files_full", "no more files are kept for this form at the moment: send it without, or later")
