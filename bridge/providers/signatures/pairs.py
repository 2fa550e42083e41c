"""Kinds of schemes: key pairs, whose verification key is public, or shared secrets. Pure."""

from __future__ import annotations

from bridge.providers.signatures.alternatives import HeaderSets, SchemeBySecret
from bridge.providers.signatures.ecdsa import Ecdsa
from bridge.providers.signatures.ed25519 import Ed25519
from bridge.providers.signatures.json_token import KEY_PAIR_KINDS
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.per_item import SignedItems
from bridge.providers.signatures.rsa import Rsa
from bridge.providers.signatures.scheme import Scheme


def is_pair(scheme: Scheme, secret: str = "") -> bool:
    """Return whether the secret cannot sign, so that signing needs the sender's private key."""
    return pair_kind(choose_scheme(scheme, secret)[1]) is not None


def choose_scheme(scheme: Scheme, secret: str = "") -> tuple[str, Scheme]:
    """Return the prefix and the scheme of `secret`; the usual scheme without a secret."""
    start = ""
    while True:
        if isinstance(scheme, HeaderSets):
            scheme = scheme.sets[scheme.usual][1]
        elif isinstance(scheme, SignedItems):
            scheme = scheme.scheme
        elif isinstance(scheme, SchemeBySecret):
            fitting = (
                choice for choice in scheme.by_secret if secret and secret.startswith(choice[0])
            )
            start, scheme = next(fitting, scheme.by_secret[-1])
        else:
            return start, scheme


def pair_kind(scheme: Scheme) -> str | None:
    """Return the kind of key pair of a scheme: ed25519, ec or rsa; None for a shared secret."""
    if isinstance(scheme, Jwt):
        return KEY_PAIR_KINDS.get(scheme.algorithm)
    return next(
        (
            kind
            for of, kind in ((Ed25519, "ed25519"), (Ecdsa, "ec"), (Rsa, "rsa"))
            if isinstance(scheme, of)
        ),
        None,
    )
