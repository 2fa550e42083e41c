"""The record of a named access token of the admin API and the console. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bridge.core.scopes import Scope

ID_PREFIX: Final = "tok_"
SECRET_PREFIX: Final = "fbt_"  # noqa: S105 - not a secret: how one begins
SECRET_BYTES: Final = 32  # random, in 43 characters of URL-safe base64
_SECRET: Final = re.compile(re.escape(SECRET_PREFIX) + "[A-Za-z0-9_-]{43}")


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


def is_token_secret(text: str) -> bool:
    """Return whether a text has the form of a token's secret."""
    return _SECRET.fullmatch(text) is not None
