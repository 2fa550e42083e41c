"""Locators of values in a request: `header:X-Event`, `query:token`, `form:name`, `body:data.id`.
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

import orjson

from bridge.core.http_messages import Request
from bridge.core.model import JSON

LOCATOR_KINDS = ("header", "query", "form", "body")
URLENCODED = "application/x-www-form-urlencoded"
FORM_MEDIA_TYPES = (URLENCODED, "multipart/form-data")
MAX_QUERY_FIELDS = 1000


@dataclass(frozen=True, slots=True)
class Locator:
    """A compiled locator. A call with a request and its decoded body returns the text there, or
    None.

    Numbers and booleans become text as in JSON; an object, a list and null are None. `path` is set
    for `body` only.
    """

    kind: str
    name: str
    path: tuple[str, ...] = ()

    def __call__(self, request: Request, body: JSON) -> str | None:
        if self.kind == "header":
            return request.headers.get(self.name)
        if self.kind == "query":
            return query_value(request.query_string, self.name)
        if self.kind == "form":
            is_form = request.content_type in FORM_MEDIA_TYPES and isinstance(body, dict)
            return as_text(body.get(self.name)) if is_form else None
        return as_text(dig(body, self.path))

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@lru_cache(maxsize=1024)
def compile_locator(text: str) -> Locator:
    """Compile a locator. The ValueError for an invalid one says what is allowed."""
    kind, colon, name = text.partition(":")
    name = name.strip()
    if not colon or kind not in LOCATOR_KINDS or not name:
        raise ValueError(
            f"{text!r} is not a locator: use header:NAME, query:NAME, form:NAME or body:dotted.path"
        )
    if kind == "header":
        if not name.isascii() or any(char in " \t\r\n:," for char in name):
            raise ValueError(f"{text!r}: {name!r} is not a header name")
        return Locator(kind, name.lower())
    if kind != "body":
        return Locator(kind, name)
    path = tuple(name.split("."))
    if "" in path:
        raise ValueError(
            f"{text!r}: the path has an empty step; join names and list indexes by single dots"
        )
    return Locator(kind, name, path)


@dataclass(frozen=True, slots=True)
class JoinedLocators:
    """Several locators whose texts are joined by `by`. All are required but those ending in `?`."""

    texts: tuple[str, ...]
    by: str = ":"

    def __call__(self, request: Request, body: JSON) -> str | None:
        located = [
            (text, compile_locator(text.removesuffix("?"))(request, body)) for text in self.texts
        ]
        if any(value is None and not text.endswith("?") for text, value in located):
            return None
        return self.by.join(value for _, value in located if value)


@dataclass(frozen=True, slots=True)
class FirstOtherKey:
    """The first key of the body that is not one of `names`.

    For senders whose event type is the key that holds the data (Telegram, X).
    """

    names: tuple[str, ...]

    def __call__(self, request: Request, body: JSON) -> str | None:  # noqa: ARG002 - the signature of a locator
        return (
            next((key for key in body if key not in self.names), None)
            if isinstance(body, dict)
            else None
        )

    def __str__(self) -> str:
        return f"the first key of the body other than {', '.join(self.names)}"


AnyLocator = str | JoinedLocators | FirstOtherKey


def locate(places: Sequence[AnyLocator], request: Request, body: JSON) -> str | None:
    """Return the first non-empty text that one of the locators finds, or None."""
    for place in places:
        if text := (compile_locator(place) if isinstance(place, str) else place)(request, body):
            return text
    return None


def dig(value: JSON, path: Sequence[str]) -> JSON:
    """Return the value at `path` (object keys and list indexes) inside `value`, or None."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list):
            is_position = step.isascii() and step.isdigit() and len(step) < 10
            value = value[int(step)] if is_position and int(step) < len(value) else None
        else:
            return None
    return value


def as_text(value: JSON) -> str | None:
    """Return a string unchanged, a number or boolean as in JSON, anything else as None."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return str(value) if type(value) is int else orjson.dumps(value).decode()
    return None


def query_value(query_string: str, name: str) -> str | None:
    """Return the first value of `name` in a query string; None if missing or unreadable."""
    if name not in query_string and "%" not in query_string and "+" not in query_string:
        return None
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        return None
    return next((value for key, value in pairs if key == name), None)
