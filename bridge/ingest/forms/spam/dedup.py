"""Marks of a submission for deduplication and rate limits. Pure.

All of it is remembered by keyed hashes alone.
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
    """Something that is there once until a time; with other fields it is refused, with the same it
    is the same submission.
    """

    key: str
    until: float


@dataclass(frozen=True, slots=True)
class RateMark:
    """Something of which there are not more than the rate says."""

    key: str
    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionMarks:
    """All of it of one submission, as of `now`. `digest` is that of its fields: the same where the
    same was filled in.

    `room`: so many bytes of files the source keeps at most, null where it takes none.
    `daily_bytes`: so many bytes of bodies it stores in a day at most.
    """

    now: float
    digest: str
    once: tuple[UniqueMark, ...] = ()
    limits: tuple[RateMark, ...] = ()
    room: int | None = None
    daily_bytes: int | None = None


def derive_key(secret_key: str, purpose: str) -> bytes:
    """Return the key that forms use for a purpose; one who has it has no other."""
    return hmac.digest(secret_key.encode(), f"forms {purpose}".encode(), sha256)


def make_mark(key: bytes, kind: str, *parts: str) -> str:
    """Return what stands for something in the store."""
    text = "\0".join((kind, *parts)).encode(errors="surrogateescape")
    return f"{kind}:{hmac.digest(key, text, sha256).hex()[:40]}"


def digest_fields(key: bytes, body: Body, raw: bytes) -> str:
    """Return the keyed hash of what was filled in, however the browser wrote it: a boundary, say,
    is another each time.
    """
    try:
        said = orjson.dumps([body.form, body.files], option=orjson.OPT_SORT_KEYS)
    except TypeError:  # nested deeper than it can write
        said = raw
    return hmac.digest(key, said, sha256).hex()
