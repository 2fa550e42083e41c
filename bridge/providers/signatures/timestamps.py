"""Times of signatures, and their accepted age. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime

from bridge.core.errors import BadSignature

PLAUSIBLE_TIMES = (1e9, 1e10)  # seconds since the epoch, of ten digits: the years 2001 to 2286


@dataclass(frozen=True, slots=True)
class Timestamp:
    """The place of a request's time (a locator, or `label:t` in the signature value) and its
    limits.

    `tolerance` is in seconds, in both directions. `enforced=False`: the time is signed, but the
    sender sets no limit.
    """

    at: str
    unit: str = "s"
    tolerance: float = 300.0
    enforced: bool = True

    def __post_init__(self) -> None:
        if self.unit not in TIME_READERS:
            raise ValueError(
                f"timestamp unit {self.unit!r} is unknown; allowed are {', '.join(TIME_READERS)}"
            )
        if not 0 < self.tolerance <= 86400:
            raise ValueError(
                f"timestamp tolerance {self.tolerance!r} must be more than 0 and at most 86400"
                " seconds"
            )

    def check(self, text: str, now: float) -> None:
        """Raise BadSignature unless `text` is a time near `now`.

        Text that is no time, or one outside `PLAUSIBLE_TIMES`, is refused even without a limit: in
        `{timestamp}{body}` it could hold part of the body, or the body part of it.
        """
        if len(text) > 64:
            raise BadSignature("malformed")
        try:
            at = TIME_READERS[self.unit](text)
        except (ValueError, OverflowError, TypeError, IndexError):
            raise BadSignature("malformed") from None
        if not self.enforced:
            if not PLAUSIBLE_TIMES[0] <= at < PLAUSIBLE_TIMES[1]:
                raise BadSignature("malformed")
            return
        if now - at > self.tolerance:
            raise BadSignature("stale")
        if at - now > self.tolerance:
            raise BadSignature("future")

    def write(self, now: float) -> str:
        """Return `now` in the sender's format."""
        return TIME_WRITERS[self.unit](now)


def _digits(text: str) -> int:
    if not (text.isascii() and text.isdigit()):  # int() takes signs, blanks and underscores too
        raise ValueError("not a whole number")
    return int(text)


def _iso(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _to_iso(now: float) -> str:
    return (
        datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


TIME_READERS: dict[str, Callable[[str], float]] = {
    "s": _digits,
    "ms": lambda text: _digits(text) / 1000,
    "iso8601": _iso,
    "rfc3339": _iso,
    "http_date": lambda text: parsedate_to_datetime(text).timestamp(),
}
TIME_WRITERS: dict[str, Callable[[float], str]] = {
    "s": lambda now: str(int(now)),
    "ms": lambda now: str(int(now * 1000)),
    "iso8601": _to_iso,
    "rfc3339": _to_iso,
    "http_date": lambda now: formatdate(now, usegmt=True),
}
