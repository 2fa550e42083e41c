"""Dry requests: they are verified and planned as any other and leave nothing behind, so that a running bridge can be tried out.

Only who has the secret key can make one, for one source and for a minute: to anyone else it would be an oracle.
"""

from __future__ import annotations

from hashlib import sha256

from itsdangerous import BadData, TimestampSigner

HEADER = "X-Flowbridge-Dry"
LASTS = 60  # seconds
DONE = "nothing was kept"


def token(secret_key: str, source: str) -> str:
    """Return what the header of a dry request to `source` says."""
    return _signer(secret_key).sign(source).decode()


def is_dry(text: str, secret_key: str, source: str) -> bool:
    """Return whether `text` is such a token, made within the last minute."""
    if not secret_key or not text or len(text) > 1000:
        return False
    try:
        return _signer(secret_key).unsign(text, max_age=LASTS).decode() == source
    except (BadData, UnicodeError):
        return False


def _signer(secret_key: str) -> TimestampSigner:
    return TimestampSigner(secret_key, salt="flowbridge dry run", key_derivation="hmac", digest_method=sha256)
