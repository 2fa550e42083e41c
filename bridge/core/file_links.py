"""Signed links to the files of forms. Anyone with a link can download the file until it expires.

The token holds the event, the number of the file and the expiry, signed with a key that is derived
from the secret key.
"""

from __future__ import annotations

from hashlib import sha256

from itsdangerous import BadData, URLSafeSerializer

FILES_PATH = "/files/"
MAX_LINK_TOKEN_CHARACTERS = 500


def file_link(public_url: str, secret_key: str, event_id: str, number: int, until: float) -> str:
    """Return the signed URL of an event's file."""
    return (
        f"{public_url}{FILES_PATH}{_serializer(secret_key).dumps([event_id, number, int(until)])}"
    )


def read_file_token(token: str, secret_key: str, now: float) -> tuple[str, int] | None:
    """Return (event id, number) of a valid token, None for any other."""
    if not secret_key or len(token) > MAX_LINK_TOKEN_CHARACTERS:
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
