"""Ids in the shape the public platform gives its own: 22 characters of base 57, as shortuuid writes a UUID."""

from __future__ import annotations

from typing import Final
from uuid import uuid4

ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_run_id() -> str:
    """Return a new id such as `B7uiXDngvzFvUWxHRKQFAD`: 122 random bits."""
    number, text = uuid4().int, ""
    for _ in range(22):
        number, digit = divmod(number, len(ALPHABET))
        text += ALPHABET[digit]
    return text[::-1]
