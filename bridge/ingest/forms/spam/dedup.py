"""Marks of a submission for deduplication and rate limits. Pure.

The store has only keyed hashes of them.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import sha256

import orjson

from bridge.core.model import Body
from bridge.core.rate_limits import Rate


@dataclass(frozen=True, slots=True)
class UniqueMark:
    """A mark that is unique until a time.

    A second submission with the mark is a duplicate if its fields are the same; else it is refused.
    """

    key: str
    until: float


@dataclass(frozen=True, slots=True)
class RateMark:
    """A mark that is counted against a rate."""

    key: str
    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionMarks:
    """All marks of a submission at the time `now`. `digest`: of its fields.

    `room`: the maximum bytes of files that the source stores, None if it accepts none.
    `daily_bytes`: the maximum bytes of bodies that it stores in a day. `network`: the group of the
    client's network, which may take a share of both; None if unknown.
    """

    now: float
    digest: str
    once: tuple[UniqueMark, ...] = ()
    limits: tuple[RateMark, ...] = ()
    room: int | None = None
    daily_bytes: int | None = None
    network: int | None = None


def derive_key(secret_key: str, purpose: str) -> bytes:
    """Return the key of forms for a purpose; no other key can be derived from it."""
    return hmac.digest(secret_key.encode(), f"forms {purpose}".encode(), sha256)


def make_mark(key: bytes, kind: str, *parts: str) -> str:
    """Return the keyed hash that the store has for these values."""
    text = "\0".join((kind, *parts)).encode(errors="surrogateescape")
    return f"{kind}:{hmac.digest(key, text, sha256).hex()[:40]}"


def digest_fields(key: bytes, body: Body, raw: bytes) -> str:
    """Return the keyed hash of the answers, independent of their encoding.

    A multipart boundary, for example, differs each time.
    """
    try:
        said = orjson.dumps([body.form, body.files], option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested deeper than orjson can write
        said = raw
    return hmac.digest(key, said, sha256).hex()
