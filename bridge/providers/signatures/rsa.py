"""RSA signatures with a pinned key, or with a certificate that the request names (SNS, PayPal).
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import compile_locator
from bridge.providers.signatures import key_material
from bridge.providers.signatures.certificates import SigningCertificate, is_current
from bridge.providers.signatures.key_source import KeySource
from bridge.providers.signatures.request_view import RequestView
from bridge.providers.signatures.scheme import Secret, active_secrets
from bridge.providers.signatures.signed_scheme import SignedScheme
from bridge.providers.signatures.signer import place_value

RSA_DIGESTS = {"sha1": "rsa_sha1", "sha256": "rsa_sha256"}


@dataclass(frozen=True, kw_only=True)
class Rsa(SignedScheme):
    """An RSA signature, PKCS #1 v1.5. `algorithm`: the digest, sha1 or sha256; `versions`: the text
    at `version_at` that says which.

    The secret is the sender's public key or certificate: PEM, a JWK, or base64 of its DER form;
    then nothing is fetched. With `certificate` a source needs none. `sign` takes the private key
    instead.
    """

    encoding: str = "base64"
    algorithm: str = "sha256"
    version_at: str | None = None
    versions: tuple[tuple[str, str], ...] = ()
    certificate: SigningCertificate | None = None

    @property
    def needs_secret(self) -> bool:
        """False if the certificate is fetched, unless one is pinned."""
        return self.certificate is None

    def __post_init__(self) -> None:
        used = [digest for _, digest in self.versions] if self.version_at else [self.algorithm]
        if not used or not set(used) <= set(RSA_DIGESTS):
            raise ValueError(f"an RSA signature has a digest: {', '.join(RSA_DIGESTS)}")
        SignedScheme.__post_init__(self)

    def key_of(self, secret: str) -> bytes:
        """Return the public key in DER form. Raise ValueError for an invalid `secret`."""
        return key_material.public_key(secret, "rsa")

    def signing_key(self, secret: str) -> bytes:
        """Return the private key in DER form. Raise ValueError for an invalid `secret`."""
        return key_material.private_key(secret, "rsa")

    def read_keys(self, secrets: Sequence[Secret], now: float) -> list[bytes]:
        """Return the pinned keys, without expired certificates."""
        if not secrets and self.certificate:
            return []
        return SignedScheme.read_keys(
            self,
            [Secret(value) for value in active_secrets(secrets, now) if is_current(value, now)],
            now,
        )

    def fetch_keys(
        self,
        view: RequestView,
        secrets: Sequence[Secret],  # noqa: ARG002 - a certificate needs no login
        now: float,
        keys: KeySource,
    ) -> list[bytes]:
        """Fetch the certificate that the request names, and return its key."""
        self._algorithm(view)
        key = self.certificate.find(view, now, keys) if self.certificate else None
        if key is None:
            raise BadSignature("no_key")
        return [key]

    def check(self, view: RequestView, message: bytes, signatures: Sequence[bytes]) -> bool:
        """Return whether one of `signatures` matches `message` under the key."""
        algorithm = self._algorithm(view)
        return any(
            key_material.is_signature_valid(algorithm, view.key, message, signature)
            for signature in signatures
        )

    def seal(self, view: RequestView, message: bytes) -> bytes:
        """Return the signature of `message` under the key."""
        return key_material.sign_message(self._algorithm(view), view.key, message)

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` signed as the sender would, by the newest version unless it names one.

        Raise ValueError for an unusable secret.
        """
        if (
            self.version_at
            and RequestView(request).find(locator := compile_locator(self.version_at)) is None
        ):
            request = place_value(request, locator, self.versions[-1][0])
        return SignedScheme.sign(self, request, secret, now)

    def _algorithm(self, view: RequestView) -> str:
        said = view.find(compile_locator(self.version_at)) if self.version_at else None
        digest = (
            next((digest for text, digest in self.versions if text == said), None)
            if self.version_at
            else self.algorithm
        )
        if digest is None:
            raise BadSignature("malformed")
        return RSA_DIGESTS[digest]
