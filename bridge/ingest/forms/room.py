"""Decide how much of a form's room one network and spam may take. Pure.

Room is what a form may store: bytes of files, and bytes of bodies on one day.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

SHARE: Final = 4  # a network may take, and spam must leave, one part of this many
# Networks are counted in so many groups for each form: that bounds the rows, and a group tells no
# network, since each has thousands of them.
NETWORK_GROUPS: Final = 4096


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """Bytes that a form has stored, of files and of today's bodies, and those of one network."""

    files: int = 0
    today: int = 0
    files_of_network: int = 0
    today_of_network: int = 0


def network_group(key: bytes, source: str, network: str) -> int:
    """Return the group in which a form counts a network: a keyed hash, different for each form."""
    digest = hmac.digest(key, f"network\0{source}\0{network}".encode(), sha256)
    return int.from_bytes(digest[:8]) % NETWORK_GROUPS


def limit_of(limit: int, *, is_spam: bool) -> int:
    """Return how much of a limit a submission may use: spam leaves one share."""
    return limit - limit // SHARE if is_spam else limit


def is_share_used(limit: int | None, stored: int) -> bool:
    """Return whether a network has stored its share of a limit, and so may store no more.

    It may exceed the share by one submission: the first always fits into an empty form.
    """
    return limit is not None and stored * SHARE >= limit
