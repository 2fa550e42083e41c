"""Keep a value on disk so that the disk alone does not give it away.

A sealed value is `$fb1$`, the id of its key, `$`, and then 16 bytes of salt, 12 of nonce, and what
AES-256-GCM makes of it, in URL-safe Base64 where the value is text. What it is sealed with is
derived from one of `FLOWBRIDGE_ENCRYPTION_KEYS` and the salt, so that no key is used up by how much
it seals; a value's place is authenticated with it, so that it opens nowhere else.
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

from bridge.core.errors import KeyMissing, SettingsError, Unsealable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Value = TypeVar("Value", str, bytes)
SETTING: Final = "FLOWBRIDGE_ENCRYPTION_KEYS"
# what a sealed value begins with; one in clear that does is written behind `CLEAR`
MARK_PREFIX: Final = "$fb"
PLAINTEXT_MARK = "$fb0$"
ENCRYPTED_MARK = "$fb1$"
KEY_ID_LENGTH: Final = 8  # hexadecimal digits that a key is known by
HEADER_LENGTH: Final = len(ENCRYPTED_MARK) + KEY_ID_LENGTH + 1  # letters before what is sealed
# bytes
SALT_BYTES = 16
NONCE_BYTES = 12
# values after which another salt is drawn: far below the 2**32 that one key may seal with nonces
# drawn at random
VALUES_PER_SALT: Final = 2**24
MAX_CACHED_KEYS: Final = (
    256  # derived keys that are kept at hand: one for each process that has sealed
)
_MARK_PREFIX = MARK_PREFIX.encode()
_PLAINTEXT_MARK = PLAINTEXT_MARK.encode()
_ENCRYPTED_MARK = ENCRYPTED_MARK.encode()
_FERNET_PREFIX: Final = "gAAAA"  # what a Fernet token begins with: learned secrets were such


class Sealer:
    """Seals with the first of its keys and opens with any; without keys it seals nothing. A key is
    32 bytes in URL-safe Base64.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        if keys:
            import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401 - once, before the forks: who has no keys does without

        self._keys = {key_id(root): root for root in map(_decode_key, keys)}
        self.given = tuple(keys)
        self.ids = tuple(self._keys)
        self.first = self.ids[0] if self.ids else None
        self._derived = lru_cache(MAX_CACHED_KEYS)(self._derive)
        self._salt = os.urandom(SALT_BYTES)
        self._used = count(1)

    @property
    def on(self) -> bool:
        """Whether values are sealed."""
        return self.first is not None

    @overload
    def seal(self, value: Value, table: str, column: str, name: str) -> Value: ...
    @overload
    def seal(self, value: None, table: str, column: str, name: str) -> None: ...
    @overload
    def seal(self, value: Value | None, table: str, column: str, name: str) -> Value | None: ...
    def seal(self, value: Value | None, table: str, column: str, name: str) -> Value | None:
        """Return what is kept of a value at its place: `name` names the row. What is empty stays
        so, and is not sealed.
        """
        if not value:
            return value
        if self.first is None:
            return in_clear(value)
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
    def open(self, kept: Value, table: str, column: str, name: str) -> Value: ...
    @overload
    def open(self, kept: None, table: str, column: str, name: str) -> None: ...
    @overload
    def open(self, kept: Value | None, table: str, column: str, name: str) -> Value | None: ...
    def open(self, kept: Value | None, table: str, column: str, name: str) -> Value | None:
        """Return the value that was kept at its place, sealed or in clear.

        `KeyMissing`: its key is not here. `Unsealable`: it was changed, or is not from that place.
        """
        if kept is None or not kept.startswith(
            MARK_PREFIX if isinstance(kept, str) else _MARK_PREFIX
        ):
            return kept
        if (key := sealed_with(kept)) is None:
            return (
                kept[len(PLAINTEXT_MARK) :]
                if kept.startswith(PLAINTEXT_MARK if isinstance(kept, str) else _PLAINTEXT_MARK)
                else kept
            )
        if key not in self._keys:
            raise KeyMissing(
                f"{table}.{column} of {name} is sealed with the key {key}, which {SETTING} does not"
                " have"
            )
        from cryptography.exceptions import InvalidTag

        try:
            raw = (
                b64decode(kept[HEADER_LENGTH:], b"-_", validate=True)
                if isinstance(kept, str)
                else kept[HEADER_LENGTH:]
            )
            salt = raw[:SALT_BYTES]
            nonce = raw[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
            sealed = raw[SALT_BYTES + NONCE_BYTES :]
            opened = self._derived(key, salt).decrypt(
                nonce, sealed, _associated_data(key, table, column, name)
            )
        except (InvalidTag, ValueError):
            raise Unsealable(
                f"{table}.{column} of {name} cannot be opened: it was changed, or comes from"
                " another place"
            ) from None
        return opened.decode("utf-8", "surrogatepass") if isinstance(kept, str) else opened

    def open_old(self, kept: str, table: str, column: str, name: str) -> str:
        """Return a value that may have been sealed as learned secrets once were: as a Fernet
        token.
        """
        if not kept.startswith(_FERNET_PREFIX):
            return self.open(kept, table, column, name)
        from cryptography.fernet import Fernet, InvalidToken

        for key in self.given:
            try:
                return Fernet(key).decrypt(kept.encode()).decode()
            except InvalidToken:
                continue
        raise KeyMissing(f"{table}.{column} of {name} is sealed with a key that is not here")

    def names(self, digest: str) -> list[str]:
        """Return what bytes of this SHA-256 are called where they are kept sealed: by the first
        key, then by the others.

        Who has none of the keys cannot tell from a name what is called so.
        """
        return [
            hmac.digest(root, b"flowbridge name\0" + digest.encode(), sha256).hex()
            for root in self._keys.values()
        ]

    def _derive(self, key: str, salt: bytes) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(hmac.digest(self._keys[key], b"flowbridge sealed\0" + salt, sha256))


def of_secrets(keys: Sequence[str], secret_key: str) -> Sealer:
    """Return what seals learned secrets: the keys, or else one that is derived from the secret key,
    which opens in any case.
    """
    derived = (
        urlsafe_b64encode(hmac.digest(secret_key.encode(), b"sealing", sha256)).decode()
        if secret_key
        else ""
    )
    if not keys and not derived:
        raise SettingsError(
            f"nothing can be kept sealed: neither {SETTING} nor a secret key is there"
        )
    return Sealer([*keys, *([derived] if derived else [])])


def sealed_with(kept: str | bytes) -> str | None:
    """Return the id of the key that a value was sealed with, null for one in clear."""
    head = kept[:HEADER_LENGTH] if isinstance(kept, str) else kept[:HEADER_LENGTH].decode("latin-1")
    return (
        head[len(ENCRYPTED_MARK) : -1]
        if len(head) == HEADER_LENGTH and head.startswith(ENCRYPTED_MARK)
        else None
    )


def in_clear(value: Value) -> Value:
    """Return what is kept of a value that is not sealed: itself, unless it begins as a sealed one
    does.
    """
    if isinstance(value, str):
        return PLAINTEXT_MARK + value if value.startswith(MARK_PREFIX) else value
    return _PLAINTEXT_MARK + value if value.startswith(_MARK_PREFIX) else value


def key_id(root: bytes) -> str:
    """Return what a key is known by, which tells nothing of it."""
    return hmac.digest(root, b"flowbridge key id", sha256).hex()[:KEY_ID_LENGTH]


def _decode_key(key: str) -> bytes:
    try:
        root = urlsafe_b64decode(key)
    except ValueError:
        root = b""
    if len(root) != 32:
        raise SettingsError(
            f"{SETTING}: each key is 32 bytes in URL-safe base64, joined by commas"
        ) from None
    return root


def _associated_data(key: str, table: str, column: str, name: str) -> bytes:
    return "\0".join((ENCRYPTED_MARK, key, table, column, name)).encode("utf-8", "surrogatepass")


NO_ENCRYPTION: Final = Sealer()
