"""Keep a secret on disk so that the disk alone does not give it away."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from bridge.errors import SettingsError


class Sealer:
    """Seals with the first key and opens with any. Without keys one is derived from the secret key.

    A key is what `Fernet` takes: 32 bytes in URL-safe base64. Spec: https://github.com/fernet/spec
    """

    def __init__(self, keys: Sequence[str], secret_key: str) -> None:
        derived = urlsafe_b64encode(hmac.digest(secret_key.encode(), b"sealing", sha256)) if secret_key else b""
        given = [key.encode() for key in keys] or ([derived] if derived else [])
        if not given:
            raise SettingsError("nothing can be kept sealed: neither FLOWBRIDGE_ENCRYPTION_KEYS nor a secret key is there")
        try:
            self._keys = MultiFernet([Fernet(key) for key in given])
        except ValueError:
            raise SettingsError("FLOWBRIDGE_ENCRYPTION_KEYS: each key is 32 bytes in URL-safe base64, joined by commas") from None

    def seal(self, text: str) -> str:
        """Return `text` sealed."""
        return self._keys.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """Return what was sealed, or None where it was sealed with another key."""
        try:
            return self._keys.decrypt(sealed.encode()).decode()
        except InvalidToken:
            return None
