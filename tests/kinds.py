"""Signed requests of the kinds of scheme whose keys come in pairs, or are tokens, for the tests of signatures.

The keys here were made for these tests and protect nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from signing import BODY, NOW, post

from bridge.model import Request
from bridge.signatures import Ecdsa, Hmac, Scheme, Timestamp

EC_PRIVATE = (
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghOWa9fz2eERttXq0fFnzL0LvndkZBZpuzslROf0fTrGhRANCAASp"
    "GFEScUAa13UuczAr2BzPIwUBmLlE5hvnKGbto/iTLUrA5k3LzYfA37tgfrNOfZPkY134OZCdbevRU0cCKrZu"
)
EC_PUBLIC = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqRhREnFAGtd1LnMwK9gczyMFAZi5ROYb5yhm7aP4ky1KwOZNy82HwN+7YH6zTn2T5GNd+DmQnW3r0VNHAiq2bg=="
EC_OTHER = (
    # the key that SendGrid's own tests use as a wrong one
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA=="
)


@dataclass(frozen=True)
class Kind:
    """A scheme, the secret that verifies, the one that signs, and a well-formed one that must not verify.

    `at`: the header that carries the signature, empty where it stands elsewhere.
    """

    scheme: Scheme
    secret: str
    private: str
    wrong: str
    at: str
    covers_body: bool = True
    body: bytes = BODY


CONTENTFUL = Hmac(
    at="header:X-Contentful-Signature",
    signed="{method}\n{canonical_uri}\n{headers:X-Contentful-Signed-Headers,X-Contentful-Timestamp}\n{body}",
    timestamp=Timestamp("header:X-Contentful-Timestamp", "ms", 30),
)

KINDS = {
    "ecdsa": Kind(
        Ecdsa(at="header:X-Sig", signed="{h:X-Time}{body}"), EC_PUBLIC, EC_PRIVATE, EC_OTHER, "x-sig"
    ),
    "contentful": Kind(CONTENTFUL, "a" * 64, "a" * 64, "b" * 64, "x-contentful-signature"),
}


def kind_request(name: str, body: bytes | None = None, now: float = NOW) -> Request:
    """A request that the kind `name` accepts at `now`."""
    kind = KINDS[name]
    return kind.scheme.sign(post(kind.body if body is None else body), kind.private, now)
