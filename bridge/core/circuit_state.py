"""The state of a platform's circuit breaker as a frozen record. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FAILURES_TO_OPEN: Final = 5  # in a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """Circuit breaker and concurrency limit of a platform with recent failures; others have no
    record.

    `failures`: consecutive failures; 0 in a circuit that a 401 opened, fewer than
    `FAILURES_TO_OPEN` in an open one whose platform has answered since. `open_until`: the circuit
    is open until then, and half open afterwards; `open_for`: how long it was opened. `probe_until`:
    a probe is under way. `allowance`: how many runs are known to fit (null: no limit), one more
    from `raise_at` on. `not_before`: the platform asked not to be called until then, by a Retry-
    After of `retry_after` seconds.
    """

    platform: str
    failures: int = 0
    open_for: float = 0.0
    open_until: float | None = None
    probe_until: float | None = None
    allowance: int | None = None
    raise_at: float = 0.0
    raise_for: float = 0.0
    not_before: float = 0.0
    retry_after: float = 0.0
    reason: str | None = None

    @property
    def has_answered(self) -> bool:
        """True where calls failed, and the platform has answered another one since."""
        return self.open_until is not None and 0 < self.failures < FAILURES_TO_OPEN

    def state(self, now: float) -> str:
        """Return `closed`, `open` or `half_open`."""
        if self.open_until is None:
            return "closed"
        return "open" if now < self.open_until else "half_open"

    @property
    def is_unauthorized(self) -> bool:
        """True where the platform refused our credentials and has accepted no start since."""
        return self.open_until is not None and not self.failures
