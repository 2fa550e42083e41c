"""The record of a named access token of the admin API and the console. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.scopes import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A named access token without its secret.

    `scopes` are expanded. `ends_at`: null for a token that does not expire. `used_at`: its latest
    use, up to a minute late; null before the first.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    created_at: float
    ends_at: float | None = None
    used_at: float | None = None

    def is_valid(self, now: float) -> bool:
        """Return whether the token has not expired."""
        return self.ends_at is None or now < self.ends_at
