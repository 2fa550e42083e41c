"""Generated secrets and key pairs: for sources whose secret we choose, and to sign samples."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.providers.signatures.ed25519 import Ed25519
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.pairs import choose_scheme, pair_kind
from bridge.providers.signatures.pins import Pin, pins_of
from bridge.providers.signatures.scheme import Scheme
from bridge.providers.signatures.shared_token import BasicAuth

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from bridge.providers.model import Provider

# how Standard Webhooks marks the halves of a pair
PUBLIC_KEY_PREFIX = "whpk_"
PRIVATE_KEY_PREFIX = "whsk_"
CHALLENGE_PREFIX = (
    "token:"  # of a secret that answers a challenge of the URL, and verifies nothing (eBay)
)
RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class SecretPair:
    """A secret: `verifies` is for routes.yaml, `signs` is the sender's. Only key pairs differ."""

    verifies: str
    signs: str


def new_secret(scheme: Scheme, like: str = "") -> SecretPair:
    """Return a random secret or key pair for the scheme, of the kind of `like` or the usual one."""
    start, variant = choose_scheme(scheme, like)
    kind = pair_kind(variant)
    if kind is not None:
        return _PAIRS[kind](start, variant)
    text = start + _shared(variant).removeprefix(start)
    return SecretPair(text, text)


def new_provider_secret(provider: Provider, scheme: Scheme, like: str = "") -> SecretPair:
    """Return a new secret for a scheme of the provider, with the prefix of its own secrets."""
    made = new_secret(scheme, like)
    starts = provider.secret_starts
    if not starts or made.verifies != made.signs or made.verifies.startswith(starts):
        return made
    text = starts[0] + made.verifies
    return SecretPair(text, text)


def signing_text(scheme: Scheme, text: str) -> str:
    """Return a private key in the scheme's format: an Ed25519 key in PEM is converted, any other
    text is returned unchanged.
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
        if choose_scheme(scheme, PRIVATE_KEY_PREFIX)[0] == PRIVATE_KEY_PREFIX
        else seed.hex()
    )


def new_pins(scheme: Scheme, said: Callable[[Pin], str | None]) -> dict[str, str]:
    """Return a value for each required pin: that of a request (`said`), else a made-up one."""
    return {
        pin.name: said(pin) or (pin.choices or (f"made-up-{pin.name}",))[0]
        for pin in pins_of(scheme)
        if pin.required
    }


def _shared(scheme: Scheme) -> str:
    """Return a secret of at most 40 characters by default: the strictest senders take no more."""
    if isinstance(scheme, BasicAuth):
        return f"flowbridge:{secrets.token_urlsafe(24)}"
    kinds: dict[str, Callable[[], str]] = {
        "whsec": lambda: f"whsec_{b64encode(secrets.token_bytes(24)).decode()}",
        "base64": lambda: b64encode(secrets.token_bytes(32)).decode(),
        "hex": lambda: secrets.token_hex(32),
    }
    make = kinds.get(scheme.key) if isinstance(scheme, Hmac) else None
    return make() if make else secrets.token_hex(20)


def _ed25519(start: str, scheme: Scheme) -> SecretPair:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    private = key.private_bytes_raw()
    if start:
        return SecretPair(
            PUBLIC_KEY_PREFIX + b64encode(public).decode(),
            PRIVATE_KEY_PREFIX + b64encode(private).decode(),
        )
    if isinstance(scheme, Ed25519) and scheme.encoding == "hex":
        return SecretPair(public.hex(), private.hex())
    return SecretPair(b64encode(public).decode(), b64encode(private).decode())


def _ec(_start: str, _scheme: Scheme) -> SecretPair:
    from cryptography.hazmat.primitives.asymmetric import ec

    return _encode_pair(ec.generate_private_key(ec.SECP256R1()))


def _rsa(_start: str, _scheme: Scheme) -> SecretPair:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return _encode_pair(rsa.generate_private_key(65537, RSA_BITS))


def _encode_pair(key: EllipticCurvePrivateKey | RSAPrivateKey) -> SecretPair:
    """Return both halves in DER as base64, which fits on one line."""
    from cryptography.hazmat.primitives import serialization as forms

    public = key.public_key().public_bytes(
        forms.Encoding.DER, forms.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    return SecretPair(b64encode(public).decode(), b64encode(private).decode())


_PAIRS: dict[str, Callable[[str, Scheme], SecretPair]] = {
    "ed25519": _ed25519,
    "ec": _ec,
    "rsa": _rsa,
}
