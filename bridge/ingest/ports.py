"""Protocols between ingest and the store. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bridge.core.errors import Refused
from bridge.core.model import Delivery, Event
from bridge.core.units import DAY

# free disk space that is reserved for sources with signatures
SIGNED_RESERVE_BYTES: Final = 256 * 1024 * 1024
SIGNED_SHARE: Final = 10  # on a small disk: one part of this many
# free disk space that is reserved for finishing work: outcomes, ends of runs, pruning
FINISHING_RESERVE_BYTES: Final = 32 * 1024 * 1024
FINISHING_SHARE: Final = 20
DISK_RETRY_SECONDS: Final = 300  # Retry-After while the disk is nearly full


class StoredEvent(Protocol):
    """An event after it was stored."""

    @property
    def event_id(self) -> str:
        """The event's id; of a duplicate, the id of the original."""

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """The new deliveries."""

    @property
    def duplicate(self) -> bool:
        """Whether it repeats a stored event."""


Arrivals = Sequence[tuple[Event, Sequence[Delivery]]]
Replan = Callable[[Event, str], Sequence[Delivery]]


@dataclass(frozen=True, slots=True)
class EventsStored:
    """The events of a request are on disk."""

    events: Sequence[StoredEvent]


@dataclass(frozen=True, slots=True)
class StoringFailed:
    """No event of a request is stored."""

    error: Exception


@dataclass(frozen=True, slots=True)
class StoringWaits:
    """The request takes a transaction of its own, which may wait: `finish` returns its events."""

    finish: Callable[[], Sequence[StoredEvent]]


StoringResult = EventsStored | StoringFailed | StoringWaits


def files_full() -> Refused:
    """Return the refusal of files that exceed the source's storage limit."""
    return Refused(
        507,
        "files_full",
        "this form cannot store more files at the moment: send it without files, or later",
    )


def signed_reserve(total: int) -> int:
    """Return how many bytes of a disk are reserved for signed sources."""
    return min(SIGNED_RESERVE_BYTES, total // SIGNED_SHARE)


def finishing_reserve(total: int) -> int:
    """Return how many bytes of a disk are reserved from all new events."""
    return min(FINISHING_RESERVE_BYTES, total // FINISHING_SHARE)


def daily_bytes_full(now: float) -> Refused:
    """Return the refusal of a request over the source's daily storage limit."""
    wait = {"Retry-After": str(int(DAY - now % DAY) + 1)}
    return Refused(
        507,
        "daily_bytes_full",
        "this source has reached its daily storage limit: send it again tomorrow",
        headers=wait,
    )


def disk_full() -> Refused:
    """Return the refusal of an unsigned request when the free disk space is reserved."""
    wait = {"Retry-After": str(DISK_RETRY_SECONDS)}
    return Refused(
        507,
        "disk_full",
        "the disk is nearly full; the rest is reserved for signed sources: send it again later",
        headers=wait,
    )
