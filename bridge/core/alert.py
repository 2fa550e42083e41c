"""An alert as a frozen record: a health condition and its notifications. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A health condition that holds or did lately.

    `raised_at` is null before the first notification; at that of its resolution it becomes the time
    of the last one before. `told`: how often it was notified that it holds; `told_at`: the time of
    the latest notification, also that of its resolution.
    """

    key: str
    severity: str
    what: str
    do: str
    since: float
    seen_at: float
    raised_at: float | None = None
    told_at: float | None = None
    told: int = 0
    resolved_at: float | None = None

    @property
    def state(self) -> str:
        """`pending` (not notified yet), `raised` or `resolved`."""
        return (
            "resolved"
            if self.resolved_at is not None
            else "pending"
            if self.raised_at is None
            else "raised"
        )

    @property
    def is_resolution_notified(self) -> bool:
        """Whether it is resolved, and the resolution was notified."""
        return self.resolved_at is not None and (
            self.raised_at is None or self.raised_at < (self.told_at or 0.0) == self.resolved_at
        )
