"""Readers for HTTP API responses: statuses, error bodies, Retry-After, times. Pure."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from json import JSONDecoder
from json import dumps as dump_any
from typing import Final
from urllib.parse import quote

import orjson

import bridge
from bridge.core.http_messages import Answer
from bridge.core.model import JSON, Delivery
from bridge.core.units import parse_iso, within_years

USER_AGENT: Final = f"flowbridge/{bridge.__version__}"
MAX_DETAIL_CHARS: Final = 300  # of an error text
RETRY_AFTER_MAX_SECONDS: Final = 3600.0  # a longer Retry-After is cut to this

_DECODER = JSONDecoder()
_BLANK = re.compile(r"[ \t\r\n]+")
_TITLE = re.compile(r"<title[^>]*>(.{1,400}?)</title>", re.IGNORECASE | re.DOTALL)
_CREDENTIAL = re.compile(r"(?i)(bearer\s+|api_key[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&}\]]+")


def idempotency_key(delivery: Delivery) -> str:
    """Return the idempotency key of a start: the delivery's id, numbered after failed runs."""
    return start_key(delivery.id, delivery.reruns)


def start_key(delivery_id: str, reruns: int) -> str:
    """Return the idempotency key of a delivery's start after `reruns` runs."""
    return quote(f"{delivery_id}~{reruns + 1}" if reruns else delivery_id, safe="/:@,;=+!*()~ ")


def dump(value: JSON) -> bytes:
    """Return `value` as UTF-8 JSON.

    A value that orjson refuses (integers over 64 bits, lone surrogates) is written in ASCII.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return dump_any(value, separators=(",", ":")).encode("ascii")


def load(body: bytes) -> JSON:
    """Return the JSON value of `body`, or None if it is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def load_truncated(body: bytes) -> dict[str, JSON]:
    """Return the complete members of a truncated JSON object; an empty dict if it is not one.

    A run's state comes before its outputs and its log, which may exceed the limit for answers.
    """
    text = body.decode("utf-8", "ignore")
    members = {}
    try:
        place = _after(text, "{", 0)
        while True:
            name, place = _DECODER.raw_decode(text, place)
            place = _after(text, ":", place)
            value, end = _DECODER.raw_decode(text, place)
            place = _after(text, ",", end)  # without it a number may be truncated
            members[name] = value
    except (ValueError, RecursionError):
        return members


def _after(text: str, mark: str, place: int) -> int:
    """Return the position after the mark. Raises `ValueError` if the mark is not next."""
    blank = _BLANK.match(text, place)
    place = blank.end() if blank else place
    if not text.startswith(mark, place):
        raise ValueError(mark)
    blank = _BLANK.match(text, place + 1)
    return blank.end() if blank else place + 1


def error_text(answer: Answer) -> str:
    """Return "HTTP 403 code: message" from the common formats of error bodies, safe to print."""
    code, message = _code_and_message(answer.body)
    head = f"HTTP {answer.status}" + (f" {code}" if code else "")
    return printable(f"{head}: {message}" if message else head)


def printable(text: str, length: int = MAX_DETAIL_CHARS) -> str:
    """Return `text` on one line, without control characters and without echoed credentials."""
    text = "".join(char if char.isprintable() else " " for char in text[: 8 * length])
    text = _CREDENTIAL.sub(r"\1***", " ".join(text.split()))
    return text if len(text) <= length else text[: length - 1] + "…"


def as_text(value: JSON) -> str:
    """Return a string unchanged, null and false as an empty text, and other values as JSON."""
    if value is None or value is False:
        return ""
    try:
        return value if isinstance(value, str) else dump(value).decode()
    except RecursionError:  # orjson reads deeper nesting than it can write
        return f"a deeply nested {'list' if isinstance(value, list) else 'object'}"


def _code_and_message(body: bytes) -> tuple[str, str]:
    """Return the code and the message of an error body.

    It reads {"error": {"code", "message"}}, {"error": code, "message"}, {"error",
    "error_description"}, {"detail"}, and text.
    """
    value = load(body)
    if not isinstance(value, dict):
        return ("", value) if isinstance(value, str) else ("", _text(body))
    error = value.get("error")
    if isinstance(error, dict):
        return as_text(error.get("code") or error.get("type")), as_text(error.get("message"))
    message = next(
        (value[key] for key in ("message", "error_description", "detail", "msg") if value.get(key)),
        None,
    )
    return as_text(error or value.get("code")), as_text(message)


def _text(body: bytes) -> str:
    """Return the text of a body that is not a JSON object; of an HTML page only its title."""
    text = body[:4096].decode("utf-8", "replace").strip()
    if not text.startswith("<"):
        return text
    title = _TITLE.search(text)
    return f"a page titled {title[1].strip()!r}" if title else "a page, not JSON"


def retry_after(answer: Answer, now: float) -> float | None:
    """Return the seconds of Retry-After, limited to `RETRY_AFTER_MAX_SECONDS`, or None.

    It is a number or an HTTP date: RFC 9110 10.2.3.
    """
    text = answer.headers.get("retry-after", "").strip()
    if not text or len(text) > 64:
        return None
    seconds = float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else _until(text, now)
    return None if seconds is None else min(max(seconds, 0.0), RETRY_AFTER_MAX_SECONDS)


def read_date(answer: Answer) -> float | None:
    """Return the time of the server's clock (Date: RFC 9110 6.6.1), or None."""
    text = answer.headers.get("date", "")
    at = _until(text, 0.0) if len(text) <= 64 else None
    return None if at is None else within_years(at)


def _until(text: str, now: float) -> float | None:
    try:
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def parse_time(value: JSON) -> float | None:
    """Return an ISO 8601 time as epoch seconds, or None if it is not one between 1970 and 9999.

    A time without a zone is UTC.
    """
    return parse_iso(value) if isinstance(value, str) and len(value) <= 64 else None
