"""The secret of a URL test, which verifies no request (eBay's verification token). Pure."""

# ruff: noqa: ARG002 - the arguments are the Scheme protocol's

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.key_source import NO_KEYS, KeySource
from bridge.providers.signatures.scheme import Proof, Secret


@dataclass(frozen=True, kw_only=True)
class SetupSecret:
    """A secret that answers a test of the URL and verifies no request."""

    credentials: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    needs_secret = True

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: KeySource = NO_KEYS
    ) -> Proof:
        """Raise BadSignature."""
        raise BadSignature("no_secret")

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Raise ValueError, since it cannot sign."""
        raise ValueError("the secret answers a test of the URL; it signs nothing")

    def secret_problem(self, secret: str) -> str | None:
        """Return why `secret` is unusable, without quoting it, or None."""
        return None if secret.strip() else "the secret is empty"
