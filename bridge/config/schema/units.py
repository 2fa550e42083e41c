"""Parsers of durations, rates, sizes and dates in routes.yaml."""

from __future__ import annotations

import re
from typing import Any

from bridge.core.rate_limits import Rate
from bridge.core.retention import FOREVER, MIN_RETENTION_SECONDS
from bridge.core.units import parse_iso

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PERIOD_SECONDS = {
    name: seconds
    for names, seconds in (
        ("s sec second", 1.0),
        ("m min minute", 60.0),
        ("h hour", 3600.0),
        ("d day", 86400.0),
    )
    for name in names.split()
}
SIZE_UNIT_BYTES = {
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "kib": 1024,
    "mib": 1024**2,
    "gb": 1000**3,
    "gib": 1024**3,
}

DURATION_PATTERN = r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$"
RATE_PATTERN = r"^\d+\s*/\s*(s|sec|second|m|min|minute|h|hour|d|day)$"
FORM_RATE_PATTERN = (
    RATE_PATTERN[:-1]
    + r"((,| and)\s*\d+\s*/\s*(s|sec|second|m|min|minute|h|hour|d|day) per address)?$"
)
EXPECTED_PATTERN = r"^(none|\d+\s*per\s*\d+(\.\d+)?\s*(ms|s|m|h|d))$"
SIZE_PATTERN = r"^\d+(\.\d+)?\s*(B|KB|MB|KiB|MiB)$"
MEMORY_PATTERN = r"^\d+(\.\d+)?\s*(KB|MB|GB|KiB|MiB|GiB)$"
RUN_FAILED_PATTERN = r"^(ignore|dead|retry:\s*[1-9]\d{0,2})$"
AGE_PATTERN = r"^(\d+(\.\d+)?\s*(h|d)|forever)$"
MAX_RERUNS = 100
MAX_DURATION_SECONDS = 366 * 86400.0
MAX_SIZE_BYTES = 64 * 1024**2  # a receiver can read one such body and others at once
MEMORY_BYTES_RANGE = (1024**2, 1024**4)  # the limits of a run's memory


def parse_duration(text: Any) -> float:
    """Return the seconds of `30s`, `5m`, `6h`, `1d`."""
    match = (
        re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h|d)", text.strip())
        if isinstance(text, str)
        else None
    )
    if match is None:
        raise ValueError(
            f"{_quote(text)} is not a duration; allowed: a number and a unit (ms s m h d), like 30s"
            " or 6h"
        )
    seconds = float(match[1]) * UNIT_SECONDS[match[2]]
    if not 0 < seconds <= MAX_DURATION_SECONDS:
        raise ValueError(f"{_quote(text)} is out of range; allowed: more than 0, at most 366d")
    return seconds


def parse_rate(text: Any) -> Rate:
    """Return `60/min`, `10/s`, `5/h` as a Rate."""
    match = (
        re.fullmatch(r"(\d{1,9})\s*/\s*([a-z]+)", text.strip()) if isinstance(text, str) else None
    )
    if match is None or match[2] not in PERIOD_SECONDS or int(match[1]) == 0:
        raise ValueError(
            f"{_quote(text)} is not a rate; allowed: a number above 0 and a period, like 60/min,"
            " 10/s or 5/h"
        )
    return Rate(count=int(match[1]), per=PERIOD_SECONDS[match[2]])


def parse_run_failed(value: Any) -> tuple[str, int]:
    """Return `ignore`, `dead`, `retry: 3` or `{retry: 3}` as (action, retries)."""
    if value in ("ignore", "dead"):
        return value, 0
    match = re.fullmatch(r"retry:\s*(\d{1,3})", value.strip()) if isinstance(value, str) else None
    times = (
        int(match[1])
        if match
        else value.get("retry")
        if isinstance(value, dict) and len(value) == 1
        else None
    )
    if not isinstance(times, int) or isinstance(times, bool) or not 1 <= times <= MAX_RERUNS:
        raise ValueError(
            f"{_quote(value)} is not known here; allowed: ignore, dead, or retry: 1 to retry:"
            f" {MAX_RERUNS}"
        )
    return "retry", times


def parse_expected(text: Any) -> Rate:
    """Return `1 per 6h` as a rate, and `none` as a rate of 0."""
    if text == "none":
        return Rate(count=0, per=UNIT_SECONDS["d"])
    match = re.fullmatch(r"(\d{1,4})\s*per\s*(.+)", text.strip()) if isinstance(text, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError(
            f"{_quote(text)} is not an expected rate; allowed: a number above 0 and a duration,"
            " like 1 per 6h, or none"
        )
    return Rate(count=int(match[1]), per=parse_duration(match[2]))


def parse_form_rate(text: Any) -> tuple[Rate, Rate | None]:
    """Return `60/min` or `60/min and 10/min per address` as (rate, rate per address)."""
    if not isinstance(text, str):
        return parse_rate(text), None
    match = re.fullmatch(r"([^,]+?)(?:,| and) (.+) per address", text.strip())
    return (parse_rate(match[1]), parse_rate(match[2])) if match else (parse_rate(text), None)


def parse_size(value: Any) -> int:
    """Return the bytes of `5 MiB`, `512 KiB`, `1000000`."""
    bytes_ = _parse_bytes(value)
    if bytes_ is None:
        raise ValueError(
            f"{_quote(value)} is not a size; allowed: bytes, or a number and a unit (B KB MB KiB"
            " MiB), like 5 MiB"
        )
    if not 1 <= bytes_ <= MAX_SIZE_BYTES:
        raise ValueError(f"{_quote(value)} is out of range; allowed: 1 byte to 64 MiB")
    return bytes_


def parse_memory(value: Any) -> int:
    """Return the bytes of `256MB`, `1 GiB`, `300000000`."""
    bytes_ = _parse_bytes(value)
    if bytes_ is None:
        raise ValueError(
            f"{_quote(value)} is not a size; allowed: bytes, or a number and a unit (KB MB GB KiB"
            " MiB GiB), like 256MB"
        )
    if not MEMORY_BYTES_RANGE[0] <= bytes_ <= MEMORY_BYTES_RANGE[1]:
        raise ValueError(f"{_quote(value)} is out of range; allowed: 1 MiB to 1024 GiB")
    return bytes_


def parse_age(text: Any) -> float:
    """Return the seconds of `36h`, `30d`; infinity for `forever`."""
    if text == "forever":
        return FOREVER
    match = (
        re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)\s*(h|d)", text.strip())
        if isinstance(text, str)
        else None
    )
    if match is None:
        raise ValueError(
            f"{_quote(text)} is not a retention period; allowed: a number and a unit (h d),"
            " like 30d, or forever"
        )
    return float(match[1]) * UNIT_SECONDS[match[2]]


def parse_retention(value: Any) -> dict[str, float]:
    """Return the seconds by kind of data, of `{events: 90d, bodies: 30d}` or `30d` for all."""
    if not isinstance(value, dict):
        value = dict.fromkeys(MIN_RETENTION_SECONDS, value)
    if unknown := [name for name in value if name not in MIN_RETENTION_SECONDS]:
        raise ValueError(
            f"{_quote(unknown[0])} is not a kind of stored data; allowed:"
            f" {', '.join(MIN_RETENTION_SECONDS)}"
        )
    kept = {name: parse_age(age) for name, age in value.items()}
    for name, seconds in kept.items():
        if seconds < MIN_RETENTION_SECONDS[name]:
            raise ValueError(
                f"`{name}` are stored for {_quote(value[name])}; allowed: at least"
                f" {_format_age(MIN_RETENTION_SECONDS[name])}, or forever"
            )
    return kept


def _format_age(seconds: float) -> str:
    return (
        f"{seconds / UNIT_SECONDS['d']:g}d"
        if seconds >= UNIT_SECONDS["d"]
        else f"{seconds / UNIT_SECONDS['h']:g}h"
    )


def _parse_bytes(value: Any) -> int | None:
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,3})?)\s*([a-z]*)", str(value).strip().lower())
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, str))
        or match is None
        or (match[2] or "b") not in SIZE_UNIT_BYTES
    ):
        return None
    return int(float(match[1]) * SIZE_UNIT_BYTES[match[2] or "b"])


def parse_moment(text: Any) -> float:
    """Return a date (its first second, UTC) or an ISO 8601 time as seconds since 1970."""
    moment = parse_iso(text.strip()) if isinstance(text, str) else None
    if moment is None:
        raise ValueError(
            f"{_quote(text)} is not a date; allowed: 2027-01-01 or 2027-01-01T12:00:00Z"
        )
    return moment


def _quote(value: Any) -> str:
    value = str(value).lower() if isinstance(value, bool) else value
    return (
        f"`{value}`" if isinstance(value, (str, int, float)) and len(str(value)) <= 40 else "this"
    )
