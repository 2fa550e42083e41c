"""Links by which a form's file can be downloaded: who has one, has the file, until it expires.

The token says which file of which event, and until when; it is signed with a key made of the secret
key, so nobody else can make one.
"""

from __future__ import annotations

from hashlib import sha256

from itsdangerous import BadData, URLSafeSerializer

PREFIX = "/files/"
LONGEST = 500  # characters of a token


def link(public_url: str, secret_key: str, event_id: str, number: int, until: float) -> str:
    """Return the URL of the event's file with that number."""
    return f"{public_url}{PREFIX}{_serializer(secret_key).dumps([event_id, number, int(until)])}"


def file_of(token: str, secret_key: str, now: float) -> tuple[str, int] | None:
    """Return (event id, number) of a token that is good now, None for any other."""
    if not secret_key or len(token) > LONGEST:
        return None
    try:
        event_id, number, until = _serializer(secret_key).loads(token)
    except (BadData, ValueError, TypeError):
        return None
    return (event_id, number) if until > now else None


def _serializer(secret_key: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        secret_key,
        salt="flowbridge file link",
        signer_kwargs={"key_derivation": "hmac", "digest_method": sha256},
    )
