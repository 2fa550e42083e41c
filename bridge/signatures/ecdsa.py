"""ECDSA signatures on the curve P-256: the secret is the sender's public key (SendGrid). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.signatures import asymmetric
from bridge.signatures.envelope import Envelope
from bridge.signatures.view import View


@dataclass(frozen=True, kw_only=True)
class Ecdsa(Envelope):
    """An ECDSA signature on P-256 in DER form. The secret is the public key: PEM, a JWK, or base64 of its DER form.

    `digest`: sha256, or sha1 (eBay). `sign` takes the private key instead, in the same forms.
    """

    encoding: str = "base64"
    digest: str = "sha256"

    def __post_init__(self) -> None:
        if f"ecdsa_{self.digest}" not in asymmetric.ALGORITHMS:
            raise ValueError(f"digest {self.digest!r} is unknown; allowed are sha256, sha1")
        Envelope.__post_init__(self)

    def key_of(self, secret: str) -> bytes:
        """Return the public key in DER form; ValueError if `secret` is none."""
        return asymmetric.public_key(secret, "ec")

    def signing_key(self, secret: str) -> bytes:
        """Return the private key in DER form; ValueError if `secret` is none."""
        return asymmetric.private_key(secret, "ec")

    def check(self, view: View, message: bytes, signatures: Sequence[bytes]) -> bool:
        """Return whether one of `signatures` is that of `message` under the public key."""
        return any(asymmetric.verifies(f"ecdsa_{self.digest}", view.key, message, signature) for signature in signatures)

    def seal(self, view: View, message: bytes) -> bytes:
        """Return the signature of `message` under the private key."""
        return asymmetric.seal(f"ecdsa_{self.digest}", view.key, message)
