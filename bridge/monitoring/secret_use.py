"""Which secret of a source verified requests, and when each was last used.

The times are by a keyed fingerprint of the secret: its place in the list changes when another one
is added or removed.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final

from bridge.monitoring.counters import Counts, Series
from bridge.monitoring.metrics import VERIFIED
from bridge.providers.signatures.scheme import Secret, utf8

LAST_USE: Final = "secret_last_used"
FINGERPRINT_CHARS: Final = 16


def count_use(
    counts: Counts, source: str, secret: Secret, place: int, secret_key: str, at: float
) -> None:
    """Count a verified request, and record that its secret was used."""
    counts.add(VERIFIED, source, str(place + 1))
    counts.mark(LAST_USE, source, _fingerprint(secret, secret_key), at=at)


def find_last_use(
    times: Mapping[Series, float], source: str, secret: Secret, secret_key: str
) -> float | None:
    """Return when a secret of a source was last used, by `Counts.times(LAST_USE)`."""
    return times.get((source, _fingerprint(secret, secret_key)))


@lru_cache(maxsize=256)
def _fingerprint(secret: Secret, secret_key: str) -> str:
    text = b"flowbridge secret use\0" + utf8(secret.value)
    return hmac.digest(utf8(secret_key), text, sha256).hex()[:FINGERPRINT_CHARS]
