"""Encryption at rest: encrypt values before they are stored, and decrypt them.

An encrypted value is `$fb1$`, the id of its key, `$`, and then 16 bytes of salt, a 12-byte nonce
and the AES-256-GCM ciphertext, in URL-safe Base64 if the value is text. The key is derived from one
of
`FLOWBRIDGE_ENCRYPTION_KEYS` and the salt, so no key reaches its limit of messages. The table,
column and row of a value are authenticated with it, so it cannot be decrypted elsewhere.
Spec: https://nvlpubs.nist.gov/nistpubs/Legacy/SP/nistspecialpublication800-38d.pdf
"""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Final, TypeVar, overload

from bridge.core.errors import DecryptionError, KeyMissing, SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Value = TypeVar("Value", str, bytes)
SETTING: Final = "FLOWBRIDGE_ENCRYPTION_KEYS"
# Encrypted values begin with this; plaintext that does is stored behind `PLAINTEXT_MARK`.
MARK_PREFIX: Final = "$fb"
PLAINTEXT_MARK = "$fb0$"
ENCRYPTED_MARK = "$fb1$"
KEY_ID_LENGTH: Final = 8  # hexadecimal digits
HEADER_LENGTH: Final = len(ENCRYPTED_MARK) + KEY_ID_LENGTH + 1  # characters before the ciphertext
SALT_BYTES = 16
NONCE_BYTES = 12
# Values before a new salt: far below the limit of 2**32 random nonces for one key.
VALUES_PER_SALT: Final = 2**24
MAX_CACHED_KEYS: Final = 256  # derived keys: one for each process that has encrypted
_MARK_PREFIX = MARK_PREFIX.encode()
_PLAINTEXT_MARK = PLAINTEXT_MARK.encode()
_ENCRYPTED_MARK = ENCRYPTED_MARK.encode()
_FERNET_PREFIX: Final = "gAAAA"  # Fernet tokens, the former format of learned secrets


class Sealer:
    """Encrypts with the first of its keys and decrypts with any; without keys it encrypts nothing.

    A key is 32 bytes in URL-safe Base64.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        if keys:
            import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401 - imported before the forks, and only with keys

        self._keys = {key_id(root): root for root in map(_decode_key, keys)}
        self.given = tuple(keys)
        self.ids = tuple(self._keys)
        self.first = self.ids[0] if self.ids else None
        self._derived = lru_cache(MAX_CACHED_KEYS)(self._derive)
        self._salt = os.urandom(SALT_BYTES)
        self._used = count(1)

    @property
    def on(self) -> bool:
        """Return whether values are encrypted."""
        return self.first is not None

    @overload
    def seal(self, value: Value, table: str, column: str, name: str) -> Value: ...
    @overload
    def seal(self, value: None, table: str, column: str, name: str) -> None: ...
    @overload
    def seal(self, value: Value | None, table: str, column: str, name: str) -> Value | None: ...
    def seal(self, value: Value | None, table: str, column: str, name: str) -> Value | None:
        """Return the stored form of a value in the row `name`. An empty value is not encrypted."""
        if not value:
            return value
        if self.first is None:
            return mark_plaintext(value)
        if next(self._used) % VALUES_PER_SALT == 0:
            self._salt = os.urandom(SALT_BYTES)
        salt = self._salt
        nonce = os.urandom(NONCE_BYTES)
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        sealed = (
            salt
            + nonce
            + self._derived(self.first, salt).encrypt(
                nonce, raw, _associated_data(self.first, table, column, name)
            )
        )
        if isinstance(value, str):
            return f"{ENCRYPTED_MARK}{self.first}${urlsafe_b64encode(sealed).decode()}"
        return b"%b%b$%b" % (_ENCRYPTED_MARK, self.first.encode(), sealed)

    @overload
    def open(self, stored_value: Value, table: str, column: str, name: str) -> Value: ...
    @overload
    def open(self, stored_value: None, table: str, column: str, name: str) -> None: ...
    @overload
    def open(
        self, stored_value: Value | None, table: str, column: str, name: str
    ) -> Value | None: ...
    def open(self, stored_value: Value | None, table: str, column: str, name: str) -> Value | None:
        """Return the value of a stored form, encrypted or plaintext.

        Raises `KeyMissing` without its key, and `Unsealable` if it was changed or moved.
        """
        if stored_value is None or not stored_value.startswith(
            MARK_PREFIX if isinstance(stored_value, str) else _MARK_PREFIX
        ):
            return stored_value
        if (key := key_id_of(stored_value)) is None:
            return (
                stored_value[len(PLAINTEXT_MARK) :]
                if stored_value.startswith(
                    PLAINTEXT_MARK if isinstance(stored_value, str) else _PLAINTEXT_MARK
                )
                else stored_value
            )
        if key not in self._keys:
            raise KeyMissing(
                f"{table}.{column} of {name} is encrypted with the key {key}, which {SETTING} does"
                " not contain"
            )
        from cryptography.exceptions import InvalidTag

        try:
            raw = (
                b64decode(stored_value[HEADER_LENGTH:], b"-_", validate=True)
                if isinstance(stored_value, str)
                else stored_value[HEADER_LENGTH:]
            )
            salt = raw[:SALT_BYTES]
            nonce = raw[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
            sealed = raw[SALT_BYTES + NONCE_BYTES :]
            opened = self._derived(key, salt).decrypt(
                nonce, sealed, _associated_data(key, table, column, name)
            )
        except (InvalidTag, ValueError):
            raise DecryptionError(
                f"{table}.{column} of {name} cannot be decrypted: it was changed, or moved from"
                " another row"
            ) from None
        return opened.decode("utf-8", "surrogatepass") if isinstance(stored_value, str) else opened

    def open_old(self, stored_value: str, table: str, column: str, name: str) -> str:
        """Decrypt a value that may be a Fernet token, the former format of learned secrets."""
        if not stored_value.startswith(_FERNET_PREFIX):
            return self.open(stored_value, table, column, name)
        from cryptography.fernet import Fernet, InvalidToken

        for key in self.given:
            try:
                return Fernet(key).decrypt(stored_value.encode()).decode()
            except InvalidToken:
                continue
        raise KeyMissing(f"{table}.{column} of {name} is encrypted with a missing key")

    def names(self, digest: str) -> list[str]:
        """Return the file names of a blob with this SHA-256, for the first key and then for the
        others.

        Without one of the keys, a name does not reveal the digest.
        """
        return [
            hmac.digest(root, b"flowbridge name\0" + digest.encode(), sha256).hex()
            for root in self._keys.values()
        ]

    def _derive(self, key: str, salt: bytes) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(hmac.digest(self._keys[key], b"flowbridge sealed\0" + salt, sha256))


def sealer_for_secrets(keys: Sequence[str], secret_key: str) -> Sealer:
    """Return the encryption of learned secrets: by the keys, or else by one from the secret key.

    The key that is derived from the secret key decrypts in either case.
    """
    derived = (
        urlsafe_b64encode(hmac.digest(secret_key.encode(), b"sealing", sha256)).decode()
        if secret_key
        else ""
    )
    if not keys and not derived:
        raise SettingsError(
            f"secrets cannot be encrypted: neither {SETTING} nor a secret key is set"
        )
    return Sealer([*keys, *([derived] if derived else [])])


def key_id_of(stored_value: str | bytes) -> str | None:
    """Return the id of the key that a value is encrypted with; None for plaintext."""
    head = (
        stored_value[:HEADER_LENGTH]
        if isinstance(stored_value, str)
        else stored_value[:HEADER_LENGTH].decode("latin-1")
    )
    return (
        head[len(ENCRYPTED_MARK) : -1]
        if len(head) == HEADER_LENGTH and head.startswith(ENCRYPTED_MARK)
        else None
    )


def mark_plaintext(value: Value) -> Value:
    """Return the stored form of plaintext: marked if it begins as an encrypted value does."""
    if isinstance(value, str):
        return PLAINTEXT_MARK + value if value.startswith(MARK_PREFIX) else value
    return _PLAINTEXT_MARK + value if value.startswith(_MARK_PREFIX) else value


def key_id(root: bytes) -> str:
    """Return the id of a key, which reveals nothing about the key."""
    return hmac.digest(root, b"flowbridge key id", sha256).hex()[:KEY_ID_LENGTH]


def _decode_key(key: str) -> bytes:
    try:
        root = urlsafe_b64decode(key)
    except ValueError:
        root = b""
    if len(root) != 32:
        raise SettingsError(
            f"{SETTING}: each key must be 32 bytes in URL-safe base64; separate keys with commas"
        ) from None
    return root


def _associated_data(key: str, table: str, column: str, name: str) -> bytes:
    return "\0".join((ENCRYPTED_MARK, key, table, column, name)).encode("utf-8", "surrogatepass")


NO_ENCRYPTION: Final = Sealer()
