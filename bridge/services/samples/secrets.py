"""Secrets and pairs of keys made up: for sources whose secret is ours to choose, and to sign
samples with.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.providers.signatures.ed25519 import Ed25519
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.pairs import chosen, pair_kind
from bridge.providers.signatures.pins import Pin, pins_of
from bridge.providers.signatures.scheme import Scheme
from bridge.providers.signatures.shared_token import Basic

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# how Standard Webhooks tells the halves of a pair apart
PUBLIC_KEY_PREFIX = "whpk_"
PRIVATE_KEY_PREFIX = "whsk_"
ASIDE = "token:"  # how a secret begins that answers a test of the URL, and proves nothing (eBay)
RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Made:
    """What `verifies` stands in routes.yaml, what `signs` is the sender's: the same text, unless
    they are a pair of keys.
    """

    verifies: str
    signs: str


def new_secret(scheme: Scheme, like: str = "") -> Made:
    """Return a random secret that the scheme can use, or a pair of keys: of the kind that `like`
    is, else of the usual one.
    """
    start, one = chosen(scheme, like)
    kind = pair_kind(one)
    if kind is not None:
        return _PAIRS[kind](start, one)
    text = start + _shared(one).removeprefix(start)
    return Made(text, text)


def signing_text(scheme: Scheme, text: str) -> str:
    """Return a private key as the scheme takes it: an Ed25519 key may be PEM too. Any other text is
    returned as it is.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if not text.startswith("-----BEGIN PRIVATE KEY"):
        return text
    try:
        key = load_pem_private_key(text.encode("ascii"), None)
    except (ValueError, TypeError):
        return text
    if not isinstance(key, Ed25519PrivateKey):
        return text
    seed = key.private_bytes_raw()
    return (
        PRIVATE_KEY_PREFIX + b64encode(seed).decode()
        if chosen(scheme, PRIVATE_KEY_PREFIX)[0] == PRIVATE_KEY_PREFIX
        else seed.hex()
    )


def new_pins(scheme: Scheme, said: Callable[[Pin], str | None]) -> dict[str, str]:
    """Return a value for each pin that is required: what a request says of it (`said`), else one
    made up.
    """
    return {
        pin.name: said(pin) or (pin.choices or (f"made-up-{pin.name}",))[0]
        for pin in pins_of(scheme)
        if pin.required
    }


def _shared(scheme: Scheme) -> str:
    """Forty characters are enough for everyone, and no more than the strictest senders take."""
    if isinstance(scheme, Basic):
        return f"flowbridge:{secrets.token_urlsafe(24)}"
    kinds: dict[str, Callable[[], str]] = {
        "whsec": lambda: f"whsec_{b64encode(secrets.token_bytes(24)).decode()}",
        "base64": lambda: b64encode(secrets.token_bytes(32)).decode(),
        "hex": lambda: secrets.token_hex(32),
    }
    make = kinds.get(scheme.key) if isinstance(scheme, Hmac) else None
    return make() if make else secrets.token_hex(20)


def _ed25519(start: str, scheme: Scheme) -> Made:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    private = key.private_bytes_raw()
    if start:
        return Made(
            PUBLIC_KEY_PREFIX + b64encode(public).decode(),
            PRIVATE_KEY_PREFIX + b64encode(private).decode(),
        )
    if isinstance(scheme, Ed25519) and scheme.encoding == "hex":
        return Made(public.hex(), private.hex())
    return Made(b64encode(public).decode(), b64encode(private).decode())


def _ec(_start: str, _scheme: Scheme) -> Made:
    from cryptography.hazmat.primitives.asymmetric import ec

    return _encode_pair(ec.generate_private_key(ec.SECP256R1()))


def _rsa(_start: str, _scheme: Scheme) -> Made:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return _encode_pair(rsa.generate_private_key(65537, RSA_BITS))


def _encode_pair(key: EllipticCurvePrivateKey | RSAPrivateKey) -> Made:
    """Return both halves as base64 of their DER form, which stands on one line."""
    from cryptography.hazmat.primitives import serialization as forms

    public = key.public_key().public_bytes(
        forms.Encoding.DER, forms.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    return Made(b64encode(public).decode(), b64encode(private).decode())


_PAIRS: dict[str, Callable[[str, Scheme], Made]] = {"ed25519": _ed25519, "ec": _ec, "rsa": _rsa}
