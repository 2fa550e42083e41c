"""ECDSA signatures on the curve P-256 (SendGrid, eBay). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.errors import BadSignature
from bridge.providers.signatures import key_material
from bridge.providers.signatures.jwks import KeyService, login_of
from bridge.providers.signatures.key_source import KeySource
from bridge.providers.signatures.request_view import RequestView
from bridge.providers.signatures.scheme import Secret, active_secrets
from bridge.providers.signatures.signed_scheme import SignedScheme


@dataclass(frozen=True, kw_only=True)
class Ecdsa(SignedScheme):
    """An ECDSA signature on P-256 in DER form. The secret is the public key.

    It is PEM, a JWK, or base64 of its DER form. `digest`: sha256, or sha1 (eBay). `service`: where
    to fetch the key that the signature's label `kid` names; the secret may then be a login instead,
    and a key among the secrets is not fetched. `sign` takes the private key, in the same forms.
    """

    encoding: str = "base64"
    digest: str = "sha256"
    service: KeyService | None = None

    def __post_init__(self) -> None:
        if f"ecdsa_{self.digest}" not in key_material.KEY_PAIR_ALGORITHMS:
            raise ValueError(f"digest {self.digest!r} is unknown; allowed are sha256, sha1")
        SignedScheme.__post_init__(self)

    def key_of(self, secret: str) -> bytes:
        """Return the public key in DER form. Raise ValueError for an invalid `secret`."""
        return key_material.public_key(secret, "ec")

    def signing_key(self, secret: str) -> bytes:
        """Return the private key in DER form. Raise ValueError for an invalid `secret`."""
        return key_material.private_key(secret, "ec")

    def read_keys(self, secrets: Sequence[Secret], now: float) -> list[bytes]:
        """Return the keys among the secrets; there may be none if one secret is a login."""
        try:
            return SignedScheme.read_keys(self, secrets, now)
        except BadSignature:
            if not self._logins(secrets, now):
                raise
            return []

    def fetch_keys(
        self, view: RequestView, secrets: Sequence[Secret], now: float, keys: KeySource
    ) -> list[bytes]:
        """Fetch the key that the signature names."""
        key = (
            self.service.find(view.labels.get("kid", ""), "ec", self._logins(secrets, now), keys)
            if self.service
            else None
        )
        if key is None:
            raise BadSignature("no_key")
        return [key]

    def check(self, view: RequestView, message: bytes, signatures: Sequence[bytes]) -> bool:
        """Return whether one of `signatures` matches `message` under the key."""
        return any(
            key_material.is_signature_valid(f"ecdsa_{self.digest}", view.key, message, signature)
            for signature in signatures
        )

    def seal(self, view: RequestView, message: bytes) -> bytes:
        """Return the signature of `message` under the key."""
        return key_material.sign_message(f"ecdsa_{self.digest}", view.key, message)

    def secret_problem(self, secret: str) -> str | None:
        """Return why `secret` is unusable, without quoting it, or None."""
        problem = SignedScheme.secret_problem(self, secret)
        if problem is None or not self.service or not secret.strip():
            return problem
        return (
            None if login_of(secret) else f"{problem}, or client_id:client_secret to fetch it with"
        )

    def _logins(self, secrets: Sequence[Secret], now: float) -> list[str]:
        return (
            [secret for secret in active_secrets(secrets, now) if login_of(secret)]
            if self.service
            else []
        )
