"""Parsers for the values of filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from bridge.core.model import DeadKind

MAX_EXCERPT_BYTES: Final = 1000
MAX_LIFETIME_DAYS: Final = 3650
MAX_SHOWN_CHARS: Final = 40  # of a value in an error
UNIT_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
#: What to do about a dead delivery, by the kind of its cause.
DEAD_KINDS: Final[Mapping[str, str]] = {
    DeadKind.OURS.word: "fix routes.yaml, then replay",
    DeadKind.PLATFORM.word: "retry once the platform accepts it",
    DeadKind.PERSON.word: "given up by a person",
}
_SPAN: Final = re.compile(r"(\d{1,9}(?:\.\d+)?)\s*([smhdw])")


def parse_span(text: str) -> float:
    """Return the seconds of a duration such as `90s`, `15m` or `1h`, at most a week.

    Raises `ValueError` with a message for the user.
    """
    seconds = _seconds(text)
    if seconds is None or not 0 < seconds <= UNIT_SECONDS["w"]:
        raise ValueError(f"{text!r} is not a valid duration: use 90s, 15m or 1h (at most 1w)")
    return seconds


def parse_lifetime(text: str) -> float:
    """Return the seconds of a lifetime such as `12h` or `90d`, at most ten years.

    Raises `ValueError` with a message for the user.
    """
    seconds = _seconds(text)
    if seconds is None or not 1 <= seconds <= MAX_LIFETIME_DAYS * UNIT_SECONDS["d"]:
        excerpt = repr(text[:MAX_SHOWN_CHARS] + ("…" if len(text) > MAX_SHOWN_CHARS else ""))
        raise ValueError(
            f"{excerpt} is not a valid lifetime: use 12h, 90d or 52w (1s to {MAX_LIFETIME_DAYS}d)"
        )
    return seconds


def parse_moment(text: str, now: float) -> float:
    """Return a time: a duration before `now` (`90s`, `15m`, `2d`, `1w`), a date, or ISO 8601.

    Without a zone it is UTC. Raises `ValueError` with a message for the user.
    """
    seconds = _seconds(text)
    if seconds is not None:
        return now - seconds
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is not a valid time: use 15m, 1h, 2d, 2026-11-24 or 2026-11-24T17:03:05Z"
        ) from None


def parse_dead_kind(text: str) -> str:
    """Return a word of `DEAD_KINDS`, also for an earlier word for the same kind.

    Raises `ValueError` with a message for the user.
    """
    try:
        return DeadKind.of_word(text).word
    except ValueError:
        raise ValueError(f"{text!r} is not one of {', '.join(DEAD_KINDS)}") from None


def parse_excerpt(text: str) -> str:
    """Return a text to search for in reasons.

    Raises `ValueError` as `parse_raw_excerpt` does, and for text that is not UTF-8.
    """
    parse_raw_excerpt(text)
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("it is not valid UTF-8")
    return text


def parse_raw_excerpt(text: str) -> bytes:
    """Return the bytes to search for in bodies. Escaped surrogates are bytes that are not UTF-8.

    Raises `ValueError` with a message for the user where they are too few or too many.
    """
    raw = text.encode("utf-8", "surrogateescape")
    if not 0 < len(raw) <= MAX_EXCERPT_BYTES:
        raise ValueError(f"it has {len(raw)} bytes; allowed are 1 to {MAX_EXCERPT_BYTES}")
    return raw


def _seconds(text: str) -> float | None:
    span = _SPAN.fullmatch(text.strip())
    return None if span is None else float(span[1]) * UNIT_SECONDS[span[2]]
