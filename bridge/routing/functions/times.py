"""Functions on times. Pure: `now` is a value in the context.

A time is ISO 8601 text or a number of seconds since 1970; text without an offset is UTC.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from bridge.core.errors import ExpressionError
from bridge.core.model import JSON
from bridge.routing.functions.signature import Function

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|z|[+-]\d\d:?\d\d|[+-]\d\d| ?UTC)?)?",
    re.ASCII,
)
_DIRECTIVES = frozenset("aAbBdHIjmMpSyYzZfuwUWVGFTeD%s")
MAX_FORMAT = 200
_MAX_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo:
    if name.upper() in ("UTC", "Z"):
        return UTC
    if not re.fullmatch(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,2}", name, re.ASCII):
        raise ExpressionError("no such time zone")
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ExpressionError("no such time zone") from None


def _parse_moment(value: str | int | float, zone: tzinfo = UTC) -> datetime:
    if isinstance(value, str):
        return _parse(value.strip(), zone)
    if not math.isfinite(value) or not -62_135_596_800 <= value <= _MAX_SECONDS:
        raise ExpressionError("a time outside the years 1 to 9999")
    whole = math.floor(value)
    return datetime.fromtimestamp(whole, UTC).replace(
        microsecond=min(999_999, round((value - whole) * 1_000_000))
    )


def _parse(text: str, zone: tzinfo) -> datetime:
    match = _ISO.fullmatch(text[:64])
    if match is None or len(text) > 64:
        raise ExpressionError("a text that is not an ISO 8601 time")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction = match[7]
    offset = match[8]
    whole = 59 if second == 60 else second
    written = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{whole:02}"
    if fraction:
        written += "." + f"{fraction:0<6}"[:6]
    if offset and offset[0] in "+-":
        digits = offset.replace(":", "")
        written += f"{digits[:3]}:{digits[3:] or '00'}"
    try:
        moment = datetime.fromisoformat(written)
        return (
            moment if moment.tzinfo else moment.replace(tzinfo=UTC if offset else zone)
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ExpressionError("a text that is not an ISO 8601 time") from None


def to_seconds(moment: datetime) -> int | float:
    """Return the seconds since 1970, as an integer if they are whole."""
    value = (moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return int(value) if value == int(value) else value


def _format_time(
    value: str | int | float, form: str = "%Y-%m-%dT%H:%M:%SZ", zone: str = "UTC"
) -> str:
    if len(form) > MAX_FORMAT:
        raise ExpressionError(f"a format of more than {MAX_FORMAT} characters")
    unknown = set(re.findall(r"%(.?)", form, re.DOTALL)) - _DIRECTIVES
    if unknown:
        raise ExpressionError("a format with an unknown % directive")
    if form == "%s":
        return str(int(to_seconds(_parse_moment(value))))
    try:
        moment = _parse_moment(value).astimezone(_zone(zone))
        # Replaced here: %Y has no leading zeros before the year 1000, and %s uses the zone of the
        # machine.
        form = re.sub(
            "%(.)",
            lambda m: {
                "Y": f"{moment.year:04}",
                "s": str(int(to_seconds(moment))),
                "e": str(moment.day),
            }.get(m[1], m[0]),
            form,
            flags=re.DOTALL,
        )
        return moment.strftime(form)
    except (ValueError, OverflowError, UnicodeError):
        raise ExpressionError("a time or format that cannot be used") from None


def _parse_time(value: str | int | float, form: JSON = None, zone: str = "UTC") -> int | float:
    if form is None or not isinstance(value, str):
        return to_seconds(_parse_moment(value, _zone(zone)))
    if len(form) > MAX_FORMAT or len(value) > MAX_FORMAT:
        raise ExpressionError(f"a text of more than {MAX_FORMAT} characters")
    try:
        moment, named = _read_time(value.strip(), form)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=named or _zone(zone))
        return to_seconds(moment.astimezone(UTC))
    except (ValueError, OverflowError, re.error, KeyError, IndexError):
        raise ExpressionError("a text that is not a time of that format") from None


def _read_time(text: str, form: str) -> tuple[datetime, tzinfo | None]:
    """Return a time, and the zone that its %Z names: UTC. Raises `ValueError` for any other.

    `strptime` also reads the names of the machine's zone, and ignores each.
    """
    if "Z" not in re.findall("%(.)", form, re.DOTALL):
        return datetime.strptime(text, form), None
    try:
        return datetime.strptime(text, _name_zone(form, "UTC")), UTC
    except ValueError:
        return datetime.strptime(text, _name_zone(form, "GMT")), UTC


def _name_zone(form: str, name: str) -> str:
    """Return a format with the name of a zone in the place of %Z."""
    return re.sub("%(.)", lambda m: name if m[1] == "Z" else m[0], form, flags=re.DOTALL)


FUNCTIONS = (
    Function(
        "format_time",
        ("time: string|number", "format?: string", "zone?: string"),
        "Formats a time (ISO 8601 text, or seconds since 1970) with a strftime format in a time"
        " zone. Default: ISO 8601 in UTC.",
        "format_time('2026-03-01T12:00:00Z', '%d.%m.%Y %H:%M', 'Europe/Berlin')",
        "01.03.2026 13:00",
        _format_time,
    ),
    Function(
        "parse_time",
        ("time: string|number", "format?: string|null", "zone?: string"),
        "Reads a time, by default ISO 8601, and gives seconds since 1970. Text without an offset"
        " is in the given zone (default UTC). `%Z` reads UTC and GMT only.",
        "parse_time('2026-03-01T12:00:00Z')",
        1772366400,
        _parse_time,
    ),
)
