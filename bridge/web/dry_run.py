"""Dry requests: they are verified and planned as any other and leave nothing behind, so that a
running bridge can be tried out.

Only who has the secret key can make one, for one source and for a minute: to anyone else it would
be an oracle. One that is refused is answered with what arrived of it, as digests, so that who sent
it can tell what was changed on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from itsdangerous import BadData, TimestampSigner

from bridge.core.http_messages import Request
from bridge.core.model import JSON

HEADER = "X-Flowbridge-Dry"
LASTS = 60  # seconds
DONE = "nothing was kept"


def token(secret_key: str, source: str) -> str:
    """Return what the header of a dry request to `source` says."""
    return _signer(secret_key).sign(source).decode()


def is_dry(text: str, secret_key: str, source: str) -> bool:
    """Return whether `text` is such a token, made within the last minute."""
    if not secret_key or not text or len(text) > 1000:
        return False
    try:
        return _signer(secret_key).unsign(text, max_age=LASTS).decode() == source
    except (BadData, UnicodeError):
        return False


def arrived(request: Request) -> dict[str, JSON]:
    """Return what a request was when it arrived, without anything that it held."""
    return {
        "url": _bare(request),
        "size": len(request.body),
        "body": _digest(request.body),
        "headers": _digests(request),
    }


def changes(sent: Request, came: JSON, *, signs_url: bool) -> Iterator[str]:
    """Yield what became of a request on its way, by what `arrived` says of it; nothing where it
    came as it was sent.

    `signs_url`: the URL matters too. That proxies name themselves as the User-Agent does not.
    """
    if not isinstance(came, dict) or not isinstance(names := came.get("headers"), dict):
        return
    was = _digests(sent)
    for name, digest in was.items():
        if names.get(name) == digest or name == "user-agent":
            continue
        other = next(
            (one for one, found in names.items() if found == digest and one not in was), None
        )
        yield f"the header {name} " + (
            f"came as {other}"
            if other
            else "came with another value"
            if name in names
            else "did not come"
        )
    if came.get("body") != _digest(sent.body):
        yield f"the body was changed ({len(sent.body)} bytes were sent, {came.get('size')} came)"
    if signs_url and came.get("url") != _bare(sent):
        yield (
            f"{_bare(sent)} was called, which is taken for {came.get('url')}"
            " (FLOWBRIDGE_PUBLIC_URL, and the path that came)"
        )


def _digests(request: Request) -> dict[str, JSON]:
    return {
        name: _digest(value.encode("latin-1", "replace")) for name, value in request.headers.items()
    }


def _bare(request: Request) -> str:
    return request.url.partition("?")[0]


def _digest(raw: bytes) -> str:
    return sha256(raw).hexdigest()


def _signer(secret_key: str) -> TimestampSigner:
    return TimestampSigner(
        secret_key, salt="flowbridge dry run", key_derivation="hmac", digest_method=sha256
    )
