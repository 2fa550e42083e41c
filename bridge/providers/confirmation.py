"""Subscriptions that are confirmed by fetching a URL, which a verified request names (Amazon SNS).
Pure: the fetching is the edge's.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import compile_locator
from bridge.providers.signatures.key_source import Ask
from bridge.providers.signatures.request_view import View

MAX_URL = 2048  # characters


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How a sender has a subscription confirmed. A request asks for it where `kind`, a locator and
    its text, says so.

    `of` is what is subscribed to, which the source must pin. The URL stands at `at`: what precedes
    its query must match all of the pattern `url`, the hosts of the sender over https; its query is
    `query` and no more: names with a locator of what the request says elsewhere, or a constant.
    `answer` stands in an answer that did confirm. All of it is read as the signature was.
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
        """Return whether the request asks for a subscription to be confirmed."""
        return _find(View(request), self.kind[0]) == self.kind[1]

    def ask(self, request: Request, pinned: Collection[str]) -> Ask | None:
        """Return what to fetch; None where it is for anything but `pinned`, or the URL is not just
        as it must be.
        """
        view = View(request)
        of = _find(view, self.of)
        url = _find(view, self.at)
        if (
            not of
            or of not in pinned
            or not url
            or len(url) > MAX_URL
            or not url.isascii()
            or not url.isprintable()
        ):
            return None
        place, _, query = url.partition("?")
        try:
            given = parse_qsl(
                query, keep_blank_values=True, strict_parsing=True, max_num_fields=len(self.query)
            )
        except ValueError:
            return None
        wanted = [(name, _find(view, text) if ":" in text else text) for name, text in self.query]
        is_whole = all(text for _, text in wanted) and dict(given) == dict(wanted)
        if not is_whole or not self.pattern.fullmatch(place) or "#" in url:
            return None
        return Ask(url, f"{self.url} {of}", what="confirmation")


def _find(view: View, text: str) -> str | None:
    try:
        return view.find(compile_locator(text))
    except BadSignature:  # it cannot be read so
        return None
