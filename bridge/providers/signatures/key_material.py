"""Public and private keys as text, and signatures with them. Pure.

Keys are passed as DER bytes, like all secrets in the engine; parsed keys are cached. The modules of
`cryptography` are imported for the first signature of a kind: most sources need none of them.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from bridge.core.model import JSON
from bridge.providers.signatures.encodings import unbase64, unbase64url

MAX_KEY_CHARACTERS = 16 * 1024  # characters of a key's text
ALLOWED_RSA_BITS = range(2048, 8193)
KEY_FORMS = {"ec": "a P-256 key", "rsa": "an RSA key of 2048 to 8192 bits"}
KEY_TEXT_FORMATS = "as PEM, a JWK, or base64 of its DER form"
PEM_LABEL = re.compile("-----(?:BEGIN|END) [A-Z ]{1,40}-----")
#: algorithm -> (kind of key, digest)
KEY_PAIR_ALGORITHMS: Mapping[str, tuple[str, str]] = {
    "ecdsa_sha256": ("ec", "SHA256"),  # the signature in DER form
    "ecdsa_sha1": ("ec", "SHA1"),
    "rsa_sha1": ("rsa", "SHA1"),
    "rsa_sha256": ("rsa", "SHA256"),
}


@lru_cache(maxsize=256)
def public_key(text: str, kind: str) -> bytes:
    """Return the DER form of a public key (PEM, certificate, JWK, base64), or raise ValueError."""
    return _checked(_public(restore_line_breaks(text)), kind)


@lru_cache(maxsize=16)
def private_key(text: str, kind: str) -> bytes:
    """Return the DER form of a private key of `kind`, or raise ValueError."""
    from cryptography.hazmat.primitives import serialization as forms

    key = _private(restore_line_breaks(text))
    if key is None:
        raise ValueError(f"signing needs the private key, {KEY_FORMS[kind]}, {KEY_TEXT_FORMATS}")
    _checked(key.public_key(), kind)
    return bytes(
        key.private_bytes(forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    )


def is_signature_valid(algorithm: str, key: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` matches `message` under the public `key`."""
    from cryptography.exceptions import InvalidSignature

    try:
        _load_public(key).verify(signature, message, *_options(algorithm))
    except (InvalidSignature, ValueError):
        return False
    return True


def sign_message(algorithm: str, key: bytes, message: bytes) -> bytes:
    """Return the signature of `message` under the private `key`."""
    return bytes(_load_private(key).sign(message, *_options(algorithm)))


def jwk_key(document: JSON) -> Any:
    """Return the public key of a JWK, or raise ValueError. Spec: RFC 7517, RFC 7518."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if not isinstance(document, dict):
        raise ValueError("not a JWK")
    if document.get("kty") == "EC" and document.get("crv") == "P-256":
        x = _number(document, "x")
        y = _number(document, "y")
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    if document.get("kty") == "RSA":
        return rsa.RSAPublicNumbers(_number(document, "e"), _number(document, "n")).public_key()
    raise ValueError("a JWK of an unsupported kind")


def kid_of(text: str) -> str:
    """Return the `kid` of a key in JWK form, or a substitute for it."""
    try:
        kid = orjson.loads(text).get("kid")
    except (ValueError, AttributeError):
        return "sample"
    return kid if isinstance(kid, str) and kid else "sample"


def public_der(key: Any, kind: str) -> bytes:
    """Return the DER form of a public key. Raise ValueError for another kind or a weak key."""
    return _checked(key, kind)


def restore_line_breaks(text: str) -> str:
    """Return the text of a key with PEM's line breaks. Raise ValueError if it is too long."""
    if len(text) > MAX_KEY_CHARACTERS:
        raise ValueError(f"the secret is longer than {MAX_KEY_CHARACTERS} characters")
    # PEM that had to fit into one line of an environment file
    text = text.strip().replace("\\n", "\n")
    return (
        PEM_LABEL.sub("\n\\g<0>\n", text).strip()
        if text.startswith("-----BEGIN") and "\n" not in text
        else text
    )


def _public(text: str) -> Any:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        load_der_public_key,
        load_pem_public_key,
    )

    if _private(text) is not None:
        raise ValueError("the secret is a private key; the sender's public key belongs here")
    try:
        if text.startswith("{"):
            return jwk_key(orjson.loads(text))
        if text.startswith("-----BEGIN CERTIFICATE"):
            return x509.load_pem_x509_certificate(text.encode("ascii")).public_key()
        if text.startswith("-----"):
            return load_pem_public_key(text.encode("ascii"))
        return load_der_public_key(unbase64(text))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return None


def _private(text: str) -> Any:
    """Return the private key in `text`, or None."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        load_der_private_key,
        load_pem_private_key,
    )

    try:
        if text.startswith("{"):
            return _jwk_private(orjson.loads(text))
        if text.startswith("-----"):
            return (
                load_pem_private_key(text.encode("ascii"), None) if "PRIVATE KEY" in text else None
            )
        return load_der_private_key(unbase64(text), None)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        return None


def _jwk_private(document: JSON) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    public = jwk_key(document)
    if "d" not in document:
        return None
    d = _number(document, "d")
    if isinstance(public, ec.EllipticCurvePublicKey):
        return ec.EllipticCurvePrivateNumbers(d, public.public_numbers()).private_key()
    numbers = public.public_numbers()
    p, q = rsa.rsa_recover_prime_factors(numbers.n, numbers.e, d)
    parts = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *parts, numbers).private_key()


def _number(document: dict[str, JSON], name: str) -> int:
    text = document.get(name)
    if not isinstance(text, str) or not text or len(text) > 2048:
        raise ValueError(f"a JWK without {name}")
    return int.from_bytes(unbase64url(text), "big")


def _checked(key: Any, kind: str) -> bytes:
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    is_ec = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    is_rsa = isinstance(key, rsa.RSAPublicKey) and key.key_size in ALLOWED_RSA_BITS
    if not (is_ec if kind == "ec" else is_rsa):
        raise ValueError(f"the secret must be {KEY_FORMS[kind]}, {KEY_TEXT_FORMATS}")
    return bytes(key.public_bytes(forms.Encoding.DER, forms.PublicFormat.SubjectPublicKeyInfo))


@lru_cache(maxsize=256)
def _load_public(key: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    return load_der_public_key(key)


@lru_cache(maxsize=16)
def _load_private(key: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    return load_der_private_key(key, None)


@lru_cache
def _options(algorithm: str) -> tuple[Any, ...]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    kind, digest = KEY_PAIR_ALGORITHMS[algorithm]
    made = getattr(hashes, digest)()
    return (ec.ECDSA(made),) if kind == "ec" else (padding.PKCS1v15(), made)
