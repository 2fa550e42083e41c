"""Keyed fingerprints that replace values which are not stored. Pure.

With the value and the secret key a fingerprint can be recognized; without the key the value cannot
be guessed.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from hashlib import sha256

from bridge.core.errors import SettingsError

FINGERPRINT_DIGITS = 32  # of 64 hexadecimal digits: 128 bits
KEYED_PREFIX = "hmac:"
EMPTY_SHA256 = sha256(b"").hexdigest()


def fingerprint(secret_key: str, source: str, value: str) -> str:
    """Return the fingerprint of a value, different for each source (empty for no source)."""
    return (
        KEYED_PREFIX
        + keyed_digest(secret_key, source, value.encode("utf-8", "surrogatepass"))[
            :FINGERPRINT_DIGITS
        ]
    )


def keyed_sha256(secret_key: str, source: str, digest: str) -> str:
    """Return a keyed hash of a SHA-256 digest, so that guesses cannot be tested against it.

    The digest of empty content is unchanged: its size shows it anyway.
    """
    return (
        digest
        if digest == EMPTY_SHA256
        else KEYED_PREFIX + keyed_digest(secret_key, source, digest.encode())
    )


def keyed_digest(secret_key: str, source: str, raw: bytes) -> str:
    """Return an HMAC of bytes, which cannot be compared with a guess without the key."""
    if not secret_key:
        raise SettingsError(
            "a fingerprint needs FLOWBRIDGE_SECRET_KEY: without a key the value could be guessed"
        )
    return hmac.digest(_source_key(secret_key, source), raw, "sha256").hex()


@lru_cache(maxsize=256)
def _source_key(secret_key: str, source: str) -> bytes:
    return hmac.digest(secret_key.encode(), b"receipt\0" + source.encode(), "sha256")
