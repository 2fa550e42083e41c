"""Ed25519 signatures (Discord, Standard Webhooks v1a). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.providers.signatures.encodings import unbase64, unhex
from bridge.providers.signatures.request_view import RequestView
from bridge.providers.signatures.signed_scheme import SignedScheme


@dataclass(frozen=True, kw_only=True)
class Ed25519(SignedScheme):
    """An Ed25519 signature of `signed`. The secret is the public key as hex, base64, or `whpk_` and
    base64.

    `sign` takes the private key instead: hex, base64, or `whsk_` and base64, of the seed with or
    without the public key.
    """

    def key_of(self, secret: str) -> bytes:
        """Return the 32 bytes of the public key. Raise ValueError for an invalid `secret`."""
        if secret.startswith("whsk_"):
            raise ValueError("the secret is a private key; the sender's public key belongs here")
        return _decode(secret.removeprefix("whpk_"), (32,))

    def signing_key(self, secret: str) -> bytes:
        """Return the 32 bytes of the private seed. Raise ValueError for an invalid `secret`."""
        return _decode(secret.removeprefix("whsk_"), (32, 64))[:32]

    def check(self, view: RequestView, message: bytes, signatures: Sequence[bytes]) -> bool:
        """Return whether one of `signatures` matches `message` under the key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        for signature in signatures:
            try:
                Ed25519PublicKey.from_public_bytes(view.key).verify(signature, message)
            except (InvalidSignature, ValueError):
                continue
            return True
        return False

    def seal(self, view: RequestView, message: bytes) -> bytes:
        """Return the signature of `message` under the key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(view.key).sign(message)


def _decode(text: str, sizes: tuple[int, ...]) -> bytes:
    for decode in (unhex, unbase64):
        try:
            raw = decode(text)
        except ValueError:
            continue
        if len(raw) in sizes:
            return raw
    raise ValueError("the secret must be a 32 byte Ed25519 key, as hex or base64")
