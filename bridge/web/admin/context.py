"""Values for all requests of readers: those of the API, and the limits of a process of `serve`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from bridge.api.context import ApiContext
from bridge.web.late_app import LateUse
from bridge.web.process_locks import ProcessLocks
from bridge.web.reader_seats import ReaderSeats
from bridge.web.receiving.rate_limiter import RateLimiter


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderContext(ApiContext):
    """Values for all requests to the admin API and the console.

    `locks` are shared by the receivers of a machine, as `limiter` is. `seats`: the places of a
    receiver for readers. `late_use` notes when the console or the admin API was last used.
    """

    limiter: RateLimiter
    locks: ProcessLocks = field(default_factory=ProcessLocks)
    seats: ReaderSeats = field(default_factory=ReaderSeats)
    late_use: LateUse = field(default_factory=LateUse)

    def hold_lock(self, name: str) -> AbstractContextManager[bool]:
        """Hold a lock that the processes of this machine share; false where it is taken."""
        return self.locks.hold(name)

    def wait_in_place(self) -> AbstractContextManager[bool]:
        """Let a request that has a place wait; false where too many wait."""
        return self.seats.wait_in_place()
