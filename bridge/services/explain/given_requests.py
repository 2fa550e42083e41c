"""Builds requests from a body and headers that a person gives to `explain`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import orjson

from bridge.core.http_messages import Request

if TYPE_CHECKING:
    from bridge.routing.model import Source

MAX_HEADERS: Final = 100
MAX_HEADER_CHARS: Final = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRequest:
    """A request from a file. `type`: its event type, null for that of its headers and body."""

    source: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    type: str | None = None


def build_request(given_request: GivenRequest, source: Source) -> Request:
    """Return the request, with the content type and the header of the event type where missing."""
    headers = {name.lower(): value for name, value in given_request.headers.items()}
    headers.setdefault("content-type", _guess_content_type(given_request.body, source))
    if given_request.type is not None:
        headers = _type_headers(source, given_request.type) | headers
    return Request(
        method="POST", path=f"/hooks/{source.name}", headers=headers, body=given_request.body
    )


def parse_header(text: str) -> tuple[str, str]:
    """Return the name and value of a header that is written `Name: value`."""
    name, colon, value = text.partition(":")
    name = name.strip()
    if not colon or not name or not name.isascii() or not name.isprintable() or " " in name:
        raise ValueError(f"{text[:80]!r} is not a header: write 'Name: value'")
    if len(text) > MAX_HEADER_CHARS:
        raise ValueError(f"the header {name[:80]} is longer than {MAX_HEADER_CHARS} characters")
    return name.lower(), value.strip()


def _guess_content_type(body: bytes, source: Source) -> str:
    """Return the content type of a body that was given without one."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return "application/x-www-form-urlencoded" if source.form is not None else "text/plain"
    return "application/json"


def _type_headers(source: Source, type_: str) -> dict[str, str]:
    """Return the header in which the sender of a source names the event type, if there is one."""
    for place in source.event_type:
        kind, _, name = str(place).partition(":")
        if kind == "header":
            return {name.lower(): type_}
    return {}
