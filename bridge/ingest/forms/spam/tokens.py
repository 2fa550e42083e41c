"""Signed form tokens: when a form was issued and for which source, for one submission. Pure.

A token is `source.milliseconds.nonce.signature`, with `.ours` before the signature if our own page
issued it. Its content is not secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from itsdangerous import BadData, Signer

MAX_TOKEN_CHARS = 300
TOO_OLD = "it has expired"
MAX_SKEW_SECONDS = 60.0  # between the clocks of two machines
_SAID = re.compile(r"([A-Za-z0-9_-]{1,63})\.(\d{1,15})\.([0-9a-f]{32})(\.ours)?")


@dataclass(frozen=True, slots=True)
class FormToken:
    """A valid token: when it was issued, when it expires, and its nonce.

    `is_ours`: our own page issued it; there a proof of work replaces a captcha.
    """

    issued_at: float
    until: float
    nonce: str
    is_ours: bool = False


def issue_token(key: bytes, source: str, now: float, nonce: str, *, is_ours: bool = False) -> str:
    """Return a token; `nonce` is 32 random hexadecimal digits."""
    return (
        _signer(key)
        .sign(f"{source}.{int(now * 1000)}.{nonce}{'.ours' if is_ours else ''}")
        .decode()
    )


def read_token(key: bytes, text: object, source: str, now: float, lasts: float) -> FormToken | str:
    """Return the token, or why it is invalid for this source at this time."""
    try:
        if not isinstance(text, str) or len(text) > MAX_TOKEN_CHARS:
            raise BadData("no token")
        said = _SAID.fullmatch(_signer(key).unsign(text).decode())
    except (BadData, UnicodeError):
        said = None
    if said is None:
        return "it was not issued by this flowbridge"
    if said[1] != source:
        return "it was issued for another form"
    issued_at = int(said[2]) / 1000
    if issued_at > now + MAX_SKEW_SECONDS:
        return "it was issued in the future: the clocks of two machines differ"
    if issued_at + lasts < now:
        return TOO_OLD
    return FormToken(issued_at, issued_at + lasts, said[3], said[4] is not None)


def _signer(key: bytes) -> Signer:
    return Signer(key, salt="flowbridge form token", key_derivation="hmac", digest_method=sha256)
