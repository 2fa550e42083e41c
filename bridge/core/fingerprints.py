"""What stands for a value that is not kept. Pure.

Who has the value and the secret key can recognize it; without the key it cannot be guessed.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from bridge.core.errors import SettingsError

LETTERS = 32  # of 64: 128 bits
KEYED = "hmac:"
NOTHING = sha256(b"").hexdigest()


def receipt(secret_key: str, source: str, value: str) -> str:
    """Return the receipt of a value, another for each source; `source` is empty for one of none."""
    return (
        KEYED + keyed_digest(secret_key, source, value.encode("utf-8", "surrogatepass"))[:LETTERS]
    )


def unguessable(secret_key: str, source: str, digest: str) -> str:
    """Return what stands for a SHA-256 where nobody is to test guesses against it. That of nothing
    stays: it is seen anyway.
    """
    return (
        digest if digest == NOTHING else KEYED + keyed_digest(secret_key, source, digest.encode())
    )


def keyed_digest(secret_key: str, source: str, raw: bytes) -> str:
    """Return a digest of bytes that nobody without the key can compare with a guess."""
    if not secret_key:
        raise SettingsError(
            "a receipt needs FLOWBRIDGE_SECRET_KEY: without a key the value could be guessed"
        )
    key = hmac.digest(secret_key.encode(), b"receipt\0" + source.encode(), sha256)
    return hmac.new(key, raw, sha256).hexdigest()
