"""Requests for keys that are not in routes.yaml. Pure: `bridge.system.key_fetcher` fetches them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

MAX_KEY_URL_CHARACTERS = 300  # characters of a URL that a request names


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """A request for a document on a host of the sender. The caller has checked the `url`.

    A `body` is sent by POST, as JSON unless `headers` name another type. `headers`: credentials for
    the document, whose content does not depend on them. `group`: requests of one group share a rate
    limit. `what`: for the log.
    """

    url: str
    group: str
    body: bytes = field(default=b"", repr=False)
    what: str = "key"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError("keys are fetched over https only")


class KeySource(Protocol):
    """A fetcher of documents. It may cache, gives up quickly, and never raises."""

    def fetch(self, request: DocumentRequest, *, again: bool = False) -> bytes | None:
        """Return the document, or None if unavailable. `again`: the cached one lacks the needed
        key.
        """

    def roots(self) -> bytes:
        """Return the certificates (PEM) of the trusted authorities."""


class NoKeySource:
    """A fetcher that fetches nothing, for keys in routes.yaml alone."""

    def fetch(self, request: DocumentRequest, *, again: bool = False) -> bytes | None:  # noqa: ARG002 - as in KeySource
        """Return None."""
        return None

    def roots(self) -> bytes:
        """Return no certificates."""
        return b""


NO_KEYS = NoKeySource()
