"""ALTCHA: a proof of work by the sender's browser, without a third party. Pure.

A challenge is the digest of a salt and a number; finding the number takes work. This is version 1
of the protocol, which every version of the official widget solves
(https://altcha.org/docs/v2/proof-of-work/). The salt contains the form and the expiry in a fixed
format with a terminator, so that its end cannot be read as digits of the number, or the other way
round (https://github.com/altcha-org/altcha-lib/security/advisories).
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from binascii import Error
from dataclasses import dataclass
from hashlib import sha256

import orjson

from bridge.core.model import JSON

ALTCHA_FIELD = "altcha"
MAX_SOLUTION_CHARS = 2000
TOO_OLD = "the challenge has expired"
MAX_NUMBER = 10_000_000
_SALT = re.compile(r"[0-9a-f]{24}\?expires=(\d{1,12})&form=([A-Za-z0-9_-]{1,63})&")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SolvedChallenge:
    """A solved challenge and its expiry."""

    challenge: str
    until: float


def make_challenge(
    key: bytes, source: str, until: float, *, salt: str, number: int, max_number: int
) -> dict[str, JSON]:
    """Return a challenge for the widget.

    `salt`: 24 random hexadecimal digits. `number`: a random number up to `max_number`.
    """
    salt = f"{salt}?expires={int(until)}&form={source}&"
    digest = _digest(salt, number)
    return {
        "algorithm": "SHA-256",
        "challenge": digest,
        "maxnumber": max_number,
        "salt": salt,
        "signature": _sign(key, digest),
    }


def check_solution(key: bytes, text: object, source: str, now: float) -> SolvedChallenge | str:
    """Return the solved challenge, or why the solution is invalid.

    `text`: the solution as the widget sends it, base64 of JSON.
    """
    said = _read(text)
    if said is None:
        return "the solution cannot be read"
    digest, number, salt, signature = said
    # Both are always compared, each in constant time.
    fits = hmac.compare_digest(_digest(salt, number), digest) & hmac.compare_digest(
        _sign(key, digest), signature
    )
    match = _SALT.fullmatch(salt)
    if not fits or match is None:
        return "the solution is wrong"
    if match[2] != source:
        return "the challenge was issued for another form"
    until = float(match[1])
    return SolvedChallenge(digest, until) if now <= until else TOO_OLD


def _read(text: object) -> tuple[str, int, str, str] | None:
    if not isinstance(text, str) or len(text) > MAX_SOLUTION_CHARS:
        return None
    try:
        said = orjson.loads(b64decode(text, validate=True))
    except (Error, ValueError):
        return None
    if not isinstance(said, dict) or said.get("algorithm") != "SHA-256":
        return None
    number = said.get("number")
    digest, salt, signature = (
        value if isinstance(value := said.get(name), str) else ""
        for name in ("challenge", "salt", "signature")
    )
    if (
        type(number) is not int
        or not 0 <= number <= MAX_NUMBER
        or not _DIGEST.fullmatch(digest)
        or not _DIGEST.fullmatch(signature)
    ):
        return None
    return digest, number, salt, signature


def _digest(salt: str, number: int) -> str:
    return sha256(f"{salt}{number}".encode(errors="replace")).hexdigest()


def _sign(key: bytes, digest: str) -> str:
    return hmac.digest(key, digest.encode(), sha256).hex()
