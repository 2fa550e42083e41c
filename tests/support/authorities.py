"""Certificates and the authorities that issue them, made for a test."""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from kinds import RSA_PRIVATE
from signing import NOW

from bridge.core.units import DAY


def _builder(subject: str, key: Any, begins: float, ends: float) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(begins, UTC))
        .not_valid_after(datetime.fromtimestamp(ends, UTC))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


class Authority:
    """An authority that issues certificates; self-signed unless `signed_by` another one."""

    def __init__(
        self, name: str, *, begins: float = NOW - 1000 * DAY, ends: float = NOW + 5000 * DAY
    ) -> None:
        self.name, self.key, self.issuer = name, ec.generate_private_key(ec.SECP256R1()), self
        self.dates = begins, ends

    def signed_by(self, issuer: Authority) -> None:
        self.issuer = issuer

    @cached_property
    def pem(self) -> bytes:
        builder = _builder(self.name, self.key, *self.dates).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        return self.issuer.issue(builder.add_extension(usage, critical=True))

    def issue(self, builder: x509.CertificateBuilder) -> bytes:
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        made = (
            builder.issuer_name(issuer)
            .add_extension(identifier, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return made.public_bytes(Encoding.PEM)


def certificate(
    name: str,
    *,
    by: Authority | None = None,
    begins: float = NOW - DAY,
    ends: float = NOW + DAY,
    key: Any = None,
) -> bytes:
    """Return a host's certificate (PEM) for RSA_PRIVATE or `key`; self-signed without authority."""
    key = key or load_der_private_key(base64.b64decode(RSA_PRIVATE), None)
    try:
        host: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        host = x509.DNSName(name)
    builder = (
        _builder(name, key, begins, ends)
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    if by is not None:
        return by.issue(builder)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return builder.issuer_name(issuer).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def private_pem(key: Any) -> bytes:
    """Return `key` in the form that a TLS server loads."""
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
