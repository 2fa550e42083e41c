"""Text encodings of signatures and keys. Pure."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from hashlib import sha1
from hmac import compare_digest

from bridge.providers.signatures.scheme import utf8


def unhex(text: str) -> bytes:
    """Decode hexadecimal `text` in either case. Raise ValueError if invalid (also for blanks)."""
    return binascii.unhexlify(text)


def unbase64(text: str) -> bytes:
    """Decode base64 `text` in its canonical form. Raise ValueError if invalid."""
    encoded = text.encode("ascii")
    raw = binascii.a2b_base64(encoded, strict_mode=True)
    if not compare_digest(binascii.b2a_base64(raw, newline=False), encoded):
        # two texts for one signature would defeat a comparison of texts
        raise ValueError("stray bits in base64")
    return raw


def unbase64url(text: str) -> bytes:
    """Decode URL-safe base64 `text`, padded or not. Raise ValueError if invalid."""
    if "+" in text or "/" in text:
        raise ValueError("not the URL-safe alphabet")
    return unbase64(_padded(text.replace("-", "+").replace("_", "/")))


def _padded(text: str) -> str:
    return text if text.endswith("=") else text + "=" * (-len(text) % 4)


def to_base64(raw: bytes) -> str:
    """Return `raw` as base64 text."""
    return binascii.b2a_base64(raw, newline=False).decode()


def to_base64url(raw: bytes) -> str:
    """Return `raw` as URL-safe base64 text without padding."""
    return to_base64(raw).rstrip("=").replace("+", "-").replace("/", "_")


DECODERS: dict[str, Callable[[str], bytes]] = {
    "hex": unhex,
    "base64": unbase64,
    "base64url": unbase64url,
}
ENCODERS: dict[str, Callable[[bytes], str]] = {
    "hex": bytes.hex,
    "base64": to_base64,
    "base64url": to_base64url,
}


def _whsec(secret: str) -> bytes:
    bare = secret.removeprefix("v1,").removeprefix("whsec_")
    return unbase64(_padded(bare))


KEY_DECODERS: dict[str, Callable[[str], bytes]] = {
    "utf8": utf8,
    "hex": unhex,
    "base64": unbase64,
    "whsec": _whsec,  # Standard Webhooks and Svix; Stripe's whsec_ is "utf8", whole
    # Braintree: [PUBLIC|]PRIVATE
    "sha1": lambda secret: sha1(utf8(secret.rpartition("|")[2]), usedforsecurity=False).digest(),
}
KEY_FORM_TEXTS = {
    "utf8": "any text",
    "hex": "hexadecimal text",
    "base64": "base64 text",
    "whsec": "base64 text, usually after whsec_",
    "sha1": "any text",
}
