"""Confirmation of subscriptions by fetching a URL in a verified request (Amazon SNS). Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import compile_locator
from bridge.providers.signatures.key_source import DocumentRequest
from bridge.providers.signatures.request_view import RequestView

MAX_CONFIRMATION_URL_CHARACTERS = 2048  # characters


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How a sender confirms a subscription. `kind`: the locator and text of such a request.

    `of` locates the topic, which the source must pin. `at` locates the URL: the part before its
    query must match the whole pattern `url`, the sender's hosts over https; its query is exactly
    `query`: names with a locator in the request, or a constant. `answer` occurs in a successful
    response. All values are read as the signature was.
    """

    kind: tuple[str, str]
    of: str
    at: str
    url: str
    query: tuple[tuple[str, str], ...]
    answer: bytes
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError("subscriptions are confirmed over https only")
        object.__setattr__(self, "pattern", re.compile(self.url, re.ASCII))

    def is_asked(self, request: Request) -> bool:
        """Return whether the request asks to confirm a subscription."""
        return _find(RequestView(request), self.kind[0]) == self.kind[1]

    def build_request(self, request: Request, pinned: Collection[str]) -> DocumentRequest | None:
        """Return the URL to fetch; None unless it is for a `pinned` topic and as expected."""
        view = RequestView(request)
        of = _find(view, self.of)
        url = _find(view, self.at)
        if (
            not of
            or of not in pinned
            or not url
            or len(url) > MAX_CONFIRMATION_URL_CHARACTERS
            or not url.isascii()
            or not url.isprintable()
        ):
            return None
        place, _, query = url.partition("?")
        try:
            parameters = parse_qsl(
                query, keep_blank_values=True, strict_parsing=True, max_num_fields=len(self.query)
            )
        except ValueError:
            return None
        expected = [(name, _find(view, text) if ":" in text else text) for name, text in self.query]
        is_whole = all(text for _, text in expected) and dict(parameters) == dict(expected)
        if not is_whole or not self.pattern.fullmatch(place) or "#" in url:
            return None
        return DocumentRequest(url, f"{self.url} {of}", what="confirmation")


def _find(view: RequestView, text: str) -> str | None:
    try:
        return view.find(compile_locator(text))
    except BadSignature:  # the body is unreadable
        return None
