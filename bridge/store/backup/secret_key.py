"""The secret key of a backup: whether it is in it, and what ends where another key is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.core.fingerprints import fingerprint
from bridge.store.backup.manifest import Manifest
from bridge.store.encryption import sealer_for_secrets
from bridge.store.inbound import learned_secrets

#: What is made with the secret key, besides learned secrets.
MADE_WITH_KEY: Final = (
    "links to files that flows received",
    "the key and user id of the local platform, unless they are set, and with them the files that"
    " its users stored",
    "fingerprints of redacted values, which no longer equal earlier ones",
    "hashes of erased ids, and of bodies: what was erased, or has no id, is new when it is sent"
    " again",
    "open pages of forms, which must be reloaded, and marks of recent submissions",
)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """The secret key after a restore.

    `is_included`: the backup has its key. `is_other`: the bridge uses another one than it did.
    `unreadable`: the sources whose learned secrets cannot be decrypted.
    """

    is_included: bool
    is_other: bool
    unreadable: tuple[str, ...] = ()


def check_of(secret_key: str) -> str:
    """Return a text by which the same key is recognized; empty for no key."""
    return fingerprint(secret_key, "", "the secret key of a backup") if secret_key else ""


def find_key_change(
    manifest: Manifest,
    included: str,
    used: str,
    encryption_keys: Sequence[str],
    learned: Mapping[str, str],
) -> KeyChange:
    """Return what a restore changes. `included`: the key in the backup; `used`: the one after it.

    Both are empty where there is none. `learned`: the encrypted secrets, by source. The manifest of
    an earlier version does not identify the key: then it is another one if there is none.
    """
    check = check_of(included) if included else manifest.key_check
    is_other = not used if check is None else bool(check) and check != check_of(used)
    sealer = sealer_for_secrets(encryption_keys, used) if used or encryption_keys else None
    unreadable = (
        source
        for source, sealed in sorted(learned.items())
        if sealer is None or learned_secrets.open_secret(sealer, source, sealed) is None
    )
    return KeyChange(bool(included), is_other, tuple(unreadable))
