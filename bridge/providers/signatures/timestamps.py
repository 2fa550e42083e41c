"""When a request says it was signed, and how far from now that may be. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime

from bridge.core.errors import BadSignature


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Where a request's time stands (a locator, or `label:t` inside the signature value) and what
    is accepted.

    `tolerance` is seconds to either side of now. `enforced=False`: it is signed, but the sender
    gives it no limit.
    """

    at: str
    unit: str = "s"
    tolerance: float = 300.0
    enforced: bool = True

    def __post_init__(self) -> None:
        if self.unit not in READ:
            raise ValueError(
                f"timestamp unit {self.unit!r} is unknown; allowed are {', '.join(READ)}"
            )
        if not 0 < self.tolerance <= 86400:
            raise ValueError(
                f"timestamp tolerance {self.tolerance!r} must be more than 0 and at most 86400"
                " seconds"
            )

    def check(self, text: str, now: float) -> None:
        """Return only if `text` is a time near enough to `now`; raise BadSignature if not.

        What is no time is refused also where the time has no limit: of `{timestamp}{body}` a part
        of the body could stand in it.
        """
        if len(text) > 64:
            raise BadSignature("malformed")
        try:
            age = now - READ[self.unit](text)
        except (ValueError, OverflowError, TypeError, IndexError):
            raise BadSignature("malformed") from None
        if not self.enforced:
            return
        if age > self.tolerance:
            raise BadSignature("stale")
        if age < -self.tolerance:
            raise BadSignature("future")

    def write(self, now: float) -> str:
        """Return `now` as the sender writes it."""
        return WRITE[self.unit](now)


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


READ: dict[str, Callable[[str], float]] = {
    "s": _digits,
    "ms": lambda text: _digits(text) / 1000,
    "iso8601": _iso,
    "rfc3339": _iso,
    "http_date": lambda text: parsedate_to_datetime(text).timestamp(),
}
WRITE: dict[str, Callable[[float], str]] = {
    "s": lambda now: str(int(now)),
    "ms": lambda now: str(int(now * 1000)),
    "iso8601": _to_iso,
    "rfc3339": _to_iso,
    "http_date": lambda now: formatdate(now, usegmt=True),
}
