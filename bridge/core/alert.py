"""An alert as a frozen record: a health condition, since when it holds, and when it was notified.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition that is there or was lately.

    `raised_at` null: not told yet, or its end was. `told`: how often it was, all in all; `told_at`:
    when it, or its end, last was.
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
        """`pending`: not told yet, `raised`, or `resolved`."""
        return (
            "resolved"
            if self.resolved_at is not None
            else "pending"
            if self.raised_at is None
            else "raised"
        )

    @property
    def is_told_over(self) -> bool:
        """It is over, and nothing is to be told of that any more."""
        return self.resolved_at is not None and self.raised_at is None
