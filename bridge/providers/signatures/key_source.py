"""Keys that are not in routes.yaml: what a scheme asks for, and who gets it. Pure: fetching is the
edge's (`bridge.web.key_fetcher`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

MAX_URL = 300  # characters of a URL that a request names


@dataclass(frozen=True, slots=True)
class Ask:
    """A document of the sender's, which holds keys. Who asks has checked that `url` is on a host of
    the sender's; it is https, or nothing.

    A `body` is sent by POST, as JSON if `headers` do not say otherwise. `headers`: what is shown
    beside; whoever may see the document sees the same one. `group`: asks of one group are fetched
    rarely together, however many there are. `what`: for the log.
    """

    url: str
    group: str
    body: bytes = field(default=b"", repr=False)
    what: str = "key"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError("keys are fetched over https only")


class Keys(Protocol):
    """Who gets documents. It may answer from memory, must be quick to give up, and never raises."""

    def fetch(self, ask: Ask, *, again: bool = False) -> bytes | None:
        """Return the document, or None where it cannot be had now. `again`: what is remembered
        lacks the key that is needed.
        """

    def roots(self) -> bytes:
        """Return the certificates (PEM) of the authorities that are trusted to name hosts."""


class NoKeys:
    """Fetches nothing: keys that are pinned in routes.yaml are all there is."""

    def fetch(self, ask: Ask, *, again: bool = False) -> bytes | None:  # noqa: ARG002 - the shape of Keys
        """Return None."""
        return None

    def roots(self) -> bytes:
        """Return nobody."""
        return b""


NO_KEYS = NoKeys()
