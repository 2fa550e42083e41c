"""What the store makes of what was received, and who keeps it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from bridge.core.errors import Refused
from bridge.core.model import Delivery, Event
from bridge.core.rate_limits import DAY

# bytes of the disk that sources without a signature leave to those with one
SIGNED_RESERVE_BYTES: Final = 256 * 1024 * 1024
SIGNED_SHARE: Final = 10  # or that part of a small disk
DISK_RETRY_SECONDS: Final = (
    300  # seconds after which a sender may try again where the disk is nearly full
)


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
StoreEvents = Callable[[Arrivals, Replan], Sequence[Kept]]


def no_room() -> Refused:
    """Return what is answered where a source has no room for the files that came."""
    return Refused(
        507,
        "files_full",
        "no more files are kept for this form at the moment: send it without, or later",
    )


def signed_reserve(total: int) -> int:
    """Return how many bytes of a disk of `total` bytes are for signed sources only."""
    return min(SIGNED_RESERVE_BYTES, total // SIGNED_SHARE)


def no_daily_room(now: float) -> Refused:
    """Return the answer to a request that is more than its source stores in a day."""
    wait = {"Retry-After": str(int(DAY - now % DAY) + 1)}
    return Refused(
        507,
        "daily_bytes_full",
        "no more is stored of this source today: send it again tomorrow",
        headers=wait,
    )


def no_disk_room() -> Refused:
    """Return the answer to a request without a signature where the disk has room for signed ones
    only.
    """
    wait = {"Retry-After": str(DISK_RETRY_SECONDS)}
    return Refused(
        507,
        "disk_full",
        "the disk is nearly full, and its rest is for signed sources: send it again later",
        headers=wait,
    )
