"""Ids for events, rejects, operations and access tokens: 26 characters that sort by time.

They have the format of ULID: https://github.com/ulid/spec
"""

from __future__ import annotations

import os
from typing import Final

REJECT_PREFIX: Final = "rej_"
EVENT_PREFIXES: Final = ("evt_", "dlv_")  # of events and deliveries
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32


def event_id(now: float) -> str:
    """Return a new id such as `evt_01jd…`: 48 bits of milliseconds, 80 random bits."""
    return "evt_" + _sortable(now)


def reject_id(now: float) -> str:
    """Return a new id such as `rej_01jd…`."""
    return REJECT_PREFIX + _sortable(now)


def operation_id(now: float) -> str:
    """Return a new id such as `act_01jd…`."""
    return "act_" + _sortable(now)


def token_id(now: float) -> str:
    """Return a new id such as `tok_01jd…`."""
    return "tok_" + _sortable(now)


def audit_id(now: float) -> str:
    """Return a new id of an entry of the audit log, such as `aud_01jd…`."""
    return "aud_" + _sortable(now)


def request_id(now: float) -> str:
    """Return a new id of a request to the admin API, such as `req_01jd…`."""
    return "req_" + _sortable(now)


def _sortable(now: float) -> str:
    number = int(now * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
