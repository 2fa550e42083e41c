"""Rejects of a GitHub source, signed with a secret that may be wrong."""

from __future__ import annotations

import hmac
from typing import Any

from records import NOW

from bridge.core.model import Reject

SECRET = "the-secret-of-the-sender"
BODY = b'{"title":"red","action":"opened"}'


def make_reject(number: int = 1, secret: str = SECRET, **changes: Any) -> Reject:
    """Return a reject with an id of its own, whose body is signed with this secret."""
    body = changes.get("body", BODY)
    headers = {
        "content-type": "application/json",
        "x-github-event": "issues",
        "x-github-delivery": f"d-{number}",
        "x-hub-signature-256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex(),
    }
    values = {
        "id": f"rej_{number:026}",
        "source": "github",
        "provider": "github",
        "received_at": NOW + number,
        "reason": "mismatch",
        "method": "POST",
        "path": "/hooks/github",
        "headers": headers,
        "query_string": "",
        "url": "https://x/hooks/github",
        "body": body,
        "size": len(body),
    }
    return Reject(**{**values, **changes})
