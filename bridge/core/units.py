"""Units of time and size, and times as text. Pure.

No function raises for a time out of range.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

MIB: Final = 1024 * 1024  # bytes


HOUR: Final = 3600.0  # seconds
DAY: Final = 86400.0  # seconds; a day of a counter begins at 00:00 UTC
EARLIEST_TIME: Final = 0.0  # 1970-01-01T00:00:00Z
# 9999-12-31T23:59:59Z, the last second that ISO 8601 writes with four digits of the year
LATEST_TIME: Final = 253_402_300_799.0


def within_years(at: float) -> float | None:
    """Return a time, or None outside the years 1970 to 9999."""
    return at if EARLIEST_TIME <= at <= LATEST_TIME else None


def parse_iso(text: str) -> float | None:
    """Return an ISO 8601 time (UTC without a zone); None if invalid or outside 1970 to 9999."""
    try:
        at = datetime.fromisoformat(text)
        return within_years((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def in_utc(at: float) -> datetime | None:
    """Return a time as a datetime in UTC; None for NaN, infinity and years outside 1 to 9999."""
    try:
        return datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def iso(at: float | None) -> str | None:
    """Return a time in ISO 8601, None for None and for a time outside the calendar."""
    moment = None if at is None else in_utc(at)
    return (
        None if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    )


def iso_seconds(at: float | None) -> str | None:
    """Return a time in ISO 8601 to the second, as people read it; None as `iso` does."""
    moment = None if at is None else in_utc(at)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_time(at: float, form: str) -> str:
    """Format a time in UTC with a `strftime` format; a dash if it is out of range."""
    moment = in_utc(at)
    return "-" if moment is None else moment.strftime(form)
