"""Where a value stands in a request: `header:X-Event`, `query:token`, `form:name`,
`body:data.object.id`. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

import orjson

from bridge.core.http_messages import Request
from bridge.core.model import JSON

KINDS = ("header", "query", "form", "body")
URLENCODED = "application/x-www-form-urlencoded"
FORMS = (URLENCODED, "multipart/form-data")
MAX_FIELDS = 1000


@dataclass(frozen=True, slots=True)
class Locator:
    """A compiled locator: call it with a request and its decoded body to get the text that stands
    there, or None.

    Numbers and booleans become text as JSON writes them; an object, a list and null are None.
    `path` is set for `body` only.
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
            is_form = request.content_type in FORMS and isinstance(body, dict)
            return as_text(body.get(self.name)) if is_form else None
        return as_text(dig(body, self.path))

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@lru_cache(maxsize=1024)
def compile_locator(text: str) -> Locator:
    """Return the locator that `text` describes; ValueError says what is allowed."""
    kind, colon, name = text.partition(":")
    name = name.strip()
    if not colon or kind not in KINDS or not name:
        raise ValueError(
            f"{text!r} is no locator: use header:NAME, query:NAME, form:NAME or body:dotted.path"
        )
    if kind == "header":
        if not name.isascii() or any(char in " \t\r\n:," for char in name):
            raise ValueError(f"{text!r}: {name!r} is no header name")
        return Locator(kind, name.lower())
    if kind != "body":
        return Locator(kind, name)
    path = tuple(name.split("."))
    if "" in path:
        raise ValueError(
            f"{text!r}: the path has an empty step; write names and list positions joined by single"
            " dots"
        )
    return Locator(kind, name, path)


@dataclass(frozen=True, slots=True)
class Joined:
    """Several locators whose texts make one, joined by `by`. All must be there, except those that
    end in `?`.
    """

    texts: tuple[str, ...]
    by: str = ":"

    def __call__(self, request: Request, body: JSON) -> str | None:
        found = [
            (text, compile_locator(text.removesuffix("?"))(request, body)) for text in self.texts
        ]
        if any(value is None and not text.endswith("?") for text, value in found):
            return None
        return self.by.join(value for _, value in found if value)


@dataclass(frozen=True, slots=True)
class KeyBeside:
    """The first key of the body that is none of `names`, for senders that say what it is by where
    they put it (Telegram, X).
    """

    names: tuple[str, ...]

    def __call__(self, request: Request, body: JSON) -> str | None:  # noqa: ARG002 - as its siblings
        return (
            next((key for key in body if key not in self.names), None)
            if isinstance(body, dict)
            else None
        )

    def __str__(self) -> str:
        return f"the first key of the body beside {', '.join(self.names)}"


Place = str | Joined | KeyBeside


def locate(places: Sequence[Place], request: Request, body: JSON) -> str | None:
    """Return what the first of the alternatives `places` that finds a non-empty text finds, or
    None.
    """
    for place in places:
        if found := (compile_locator(place) if isinstance(place, str) else place)(request, body):
            return found
    return None


def dig(value: JSON, path: Sequence[str]) -> JSON:
    """Return what stands at `path` (object keys and list positions) inside `value`, or None."""
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
    """Return a string as it is, a number or boolean as JSON writes it, anything else as None."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return str(value) if type(value) is int else orjson.dumps(value).decode()
    return None


def query_value(query_string: str, name: str) -> str | None:
    """Return the first value of `name` in a query string, or None; a query that cannot be read has
    no values.
    """
    if name not in query_string and "%" not in query_string and "+" not in query_string:
        return None
    try:
        pairs = parse_qsl(query_string, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return None
    return next((value for key, value in pairs if key == name), None)
