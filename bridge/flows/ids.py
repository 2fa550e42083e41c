"""Ids in the format of the public platform: 22 characters of base 57, like those of shortuuid."""

from __future__ import annotations

import hashlib
from typing import Final
from uuid import uuid4

ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_run_id() -> str:
    """Return a new id such as `B7uiXDngvzFvUWxHRKQFAD`: 122 random bits."""
    return _encode(uuid4().int)


def workbook_id(name: str) -> str:
    """Return the id of a workbook, which depends on its name alone."""
    return _encode(
        int.from_bytes(
            hashlib.sha256(b"workbook " + name.encode("utf-8", "surrogatepass")).digest()[:16],
            "big",
        )
    )


def _encode(number: int) -> str:
    text = ""
    for _ in range(22):
        number, digit = divmod(number, len(ALPHABET))
        text += ALPHABET[digit]
    return text[::-1]
