"""A request as the schemes read it, parsed lazily and each part at most once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.json_values import exceeds_values
from bridge.core.locators import MAX_QUERY_FIELDS, URLENCODED, Locator, as_text, dig
from bridge.core.model import JSON
from bridge.core.percent_encoding import exceeds_escapes, parse_pairs

UNREAD = object()


class RequestView:
    """One request during verification or signing, with its `key`, `labels`, `timestamp` and parsed
    parts.

    Form and query text is latin-1, one character a byte, so that the exact bytes can be signed.
    """

    __slots__ = ("_form", "_json", "_query", "key", "labels", "pins", "request", "timestamp")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.labels: Mapping[str, str] = {}
        self.timestamp = ""
        self.key = b""
        self.pins: Mapping[str, tuple[str, ...]] = {}
        self._json: JSON = UNREAD
        self._form: list[tuple[str, str]] | None = None
        self._query: list[tuple[str, str]] | None = None

    def json(self) -> JSON:
        """Return the unverified body as JSON. Raise BadSignature if it is invalid or too large."""
        if self._json is UNREAD:
            if exceeds_values(self.request.body):
                raise BadSignature("malformed")
            try:
                self._json = orjson.loads(self.request.body)
            except ValueError:
                raise BadSignature("malformed") from None
        return self._json

    def form(self) -> list[tuple[str, str]]:
        """Return the fields of a urlencoded body in order; none for another type of body.

        Raises BadSignature if there are too many fields or escapes.
        """
        if self._form is None:
            is_form = self.request.content_type == URLENCODED
            self._form = _form_pairs(self.request.body) if is_form else []
        return self._form

    def query(self) -> list[tuple[str, str]]:
        """Return the parameters of the query in order."""
        if self._query is None:
            self._query = _query_pairs(self.request.query_string)
        return self._query

    def find(self, locator: Locator) -> str | None:
        """Return the text at `locator`, or None. Raise BadSignature for a field with two values."""
        if locator.kind == "header":
            return self.request.headers.get(locator.name)
        if locator.kind == "body":
            return as_text(dig(self.json(), locator.path))
        pairs = self.form() if locator.kind == "form" else self.query()
        name = locator.name.encode().decode("latin-1")
        values = {value for field, value in pairs if field == name}
        # one value would be verified, while the event could have the other
        if len(values) > 1:
            raise BadSignature("malformed")
        return next(iter(values), None)

    def find_bytes(self, locator: Locator) -> bytes | None:
        """Return the raw bytes at `locator`, or None."""
        text = self.find(locator)
        if text is None:
            return None
        return raw_bytes(text) if locator.kind != "body" else text.encode("utf-8", "surrogatepass")


def raw_bytes(text: str) -> bytes:
    """Return the raw bytes of a header, form or query text, which has one character a byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise BadSignature("malformed") from None


def _form_pairs(raw: bytes) -> list[tuple[str, str]]:
    if exceeds_escapes(raw):
        raise BadSignature("malformed")
    try:
        pairs = parse_pairs(raw, MAX_QUERY_FIELDS)
    except ValueError:
        raise BadSignature("malformed") from None
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]


def _query_pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            text, keep_blank_values=True, encoding="latin-1", max_num_fields=MAX_QUERY_FIELDS
        )
    except ValueError:
        raise BadSignature("malformed") from None
