"""Proof that a request comes from whom it says: schemes as data over one engine. Pure.

Raw bytes only, constant-time comparison only, and without a usable secret nothing gets in. A scheme is chosen by the source's
configuration, never by what was sent.
"""

from bridge.signatures.certificates import Certificate
from bridge.signatures.choice import AnyOf, HeaderSets
from bridge.signatures.ecdsa import Ecdsa
from bridge.signatures.ed25519 import Ed25519
from bridge.signatures.envelope import Envelope
from bridge.signatures.jwt import Jwt, unwrapped
from bridge.signatures.keyed import Hmac
from bridge.signatures.keys import NO_KEYS, Ask, Keys
from bridge.signatures.keysets import KeyService, KeySet
from bridge.signatures.offered import Pairs, Plain, Positional, Wrapped
from bridge.signatures.pairs import chosen, is_pair, pair_kind
from bridge.signatures.pins import Pin, pinned, pins_of
from bridge.signatures.proofs import covers, covers_content, leaves, proofs, signs_url
from bridge.signatures.rsa import Rsa
from bridge.signatures.scheme import MAX_SECRETS, Content, Proof, Scheme, Secret
from bridge.signatures.static import Basic, Token, Unsigned
from bridge.signatures.timestamps import Timestamp

__all__ = [
    "MAX_SECRETS",
    "NO_KEYS",
    "AnyOf",
    "Ask",
    "Basic",
    "Certificate",
    "Content",
    "Ecdsa",
    "Ed25519",
    "Envelope",
    "HeaderSets",
    "Hmac",
    "Jwt",
    "KeyService",
    "KeySet",
    "Keys",
    "Pairs",
    "Pin",
    "Plain",
    "Positional",
    "Proof",
    "Rsa",
    "Scheme",
    "Secret",
    "Timestamp",
    "Token",
    "Unsigned",
    "Wrapped",
    "chosen",
    "covers",
    "covers_content",
    "is_pair",
    "leaves",
    "pair_kind",
    "pinned",
    "pins_of",
    "proofs",
    "signs_url",
    "unwrapped",
]
