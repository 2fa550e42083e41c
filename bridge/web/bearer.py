"""Bearer tokens of requests: https://www.rfc-editor.org/rfc/rfc6750#section-2.1."""

from __future__ import annotations

import hmac


def read_bearer(authorization: str) -> str:
    """Return the token of an `Authorization` header, empty for another scheme or no token."""
    scheme, _, bearer = authorization.partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else ""


def is_admin_token(token: str, configured: str) -> bool:
    """Compare a token with FLOWBRIDGE_ADMIN_TOKEN in constant time; false where that is not set."""
    is_same = hmac.compare_digest(token.encode("utf-8", "surrogateescape"), configured.encode())
    return bool(configured) and is_same
