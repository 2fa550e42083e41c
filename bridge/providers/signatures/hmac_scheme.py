"""HMACs, and digests over a secret: the scheme of most senders. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any

from itsdangerous.signer import HMACAlgorithm, SigningAlgorithm

from bridge.providers.signatures.encodings import KEY_DECODERS, KEY_FORM_TEXTS
from bridge.providers.signatures.request_view import RequestView
from bridge.providers.signatures.signed_scheme import SignedScheme

HMAC_DIGESTS: dict[str, Callable[..., Any]] = {
    "sha1": hashlib.sha1,
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
}


class _PlainDigest(SigningAlgorithm):
    """A digest without a key: the secret is part of the message (HubSpot v1 and v2)."""

    def __init__(self, digest: Callable[..., Any]) -> None:
        self.digest = digest

    def get_signature(self, key: bytes, value: bytes) -> bytes:  # noqa: ARG002 - the shape of itsdangerous
        result: bytes = self.digest(value).digest()
        return result


@dataclass(frozen=True, kw_only=True)
class Hmac(SignedScheme):
    """An HMAC of `signed`, or with `plain` a digest of it (then `{secret}` is a part of it).

    `algorithm`: sha1, sha256, sha512. `key`: how the secret text gives the key: utf8, hex, base64,
    whsec, sha1.
    """

    algorithm: str = "sha256"
    key: str = "utf8"
    plain: bool = False
    compiled_algorithm: SigningAlgorithm = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.algorithm not in HMAC_DIGESTS:
            raise ValueError(
                f"algorithm {self.algorithm!r} is unknown; allowed are {', '.join(HMAC_DIGESTS)}"
            )
        if self.key not in KEY_DECODERS:
            raise ValueError(f"key {self.key!r} is unknown; allowed are {', '.join(KEY_DECODERS)}")
        SignedScheme.__post_init__(self)
        for signed in self.compiled.signed:
            if signed.needs_key is not self.plain:
                raise ValueError(
                    f"signed {signed.text!r}: a plain digest needs {{secret}}, and an HMAC must not"
                    " have it"
                )
        kind = _PlainDigest if self.plain else HMACAlgorithm
        object.__setattr__(self, "compiled_algorithm", kind(HMAC_DIGESTS[self.algorithm]))

    def key_of(self, secret: str) -> bytes:
        """Return the key of `secret`. Raise ValueError for an invalid one."""
        try:
            key = KEY_DECODERS[self.key](secret)
        except ValueError:
            raise ValueError(f"the secret must be {KEY_FORM_TEXTS[self.key]}") from None
        if not key:
            raise ValueError("the secret contains no key")
        return key

    def check(self, view: RequestView, message: bytes, signatures: Sequence[bytes]) -> bool:
        """Return whether one of `signatures` matches `message`, which is hashed once."""
        if len(signatures) == 1:
            return self.compiled_algorithm.verify_signature(view.key, message, signatures[0])
        expected = self.compiled_algorithm.get_signature(view.key, message)
        return any(compare_digest(signature, expected) for signature in signatures)

    def seal(self, view: RequestView, message: bytes) -> bytes:
        """Return the signature of `message` under the key."""
        return self.compiled_algorithm.get_signature(view.key, message)
