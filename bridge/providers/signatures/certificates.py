"""Certificates that requests name by URL, and their validation (SNS, PayPal). Pure."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from bridge.core.errors import BadSignature
from bridge.core.locators import Locator, compile_locator
from bridge.providers.signatures.key_material import public_der, restore_line_breaks
from bridge.providers.signatures.key_source import (
    MAX_KEY_URL_CHARACTERS,
    DocumentRequest,
    KeySource,
)
from bridge.providers.signatures.request_view import RequestView

MAX_CHAIN_CERTIFICATES = 10  # certificates of one document
# for which the verification of a chain is cached; the certificate's own dates are always checked
CHAIN_CACHE_SECONDS = 3600
PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
LATEST_DATE = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    """An RSA certificate whose URL is at `at` and must match the whole pattern `url`.

    The pattern allows the sender's hosts over https only. `names`: host names, of which the
    certificate must have one, with a chain to a trusted authority. Without them its host is the
    proof, and its validity dates are checked.
    """

    at: str
    url: str
    names: tuple[str, ...] = ()
    locator: Locator = field(init=False, repr=False, compare=False)
    pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError("certificates are fetched over https only")
        object.__setattr__(self, "locator", compile_locator(self.at))
        object.__setattr__(self, "pattern", re.compile(self.url, re.ASCII))

    def build_request(self, view: RequestView) -> DocumentRequest:
        """Return the document to fetch. Raise BadSignature unless it is on a host of the sender."""
        url = view.find(self.locator)
        if not url:
            raise BadSignature("missing")
        if len(url) > MAX_KEY_URL_CHARACTERS or not self.pattern.fullmatch(url):
            raise BadSignature("not_pinned")
        return DocumentRequest(url, self.url)

    def find(self, view: RequestView, now: float, keys: KeySource) -> bytes | None:
        """Return the public key in DER form; None if unavailable or invalid at `now`."""
        document = keys.fetch(self.build_request(view))
        if not document or not 0 <= now < LATEST_DATE.timestamp():
            return None
        chain = (
            (self.names, keys.roots(), int(now // CHAIN_CACHE_SECONDS))
            if self.names
            else ((), b"", 0)
        )
        certificate = _read_certificate(document, *chain)
        return certificate[0] if certificate and certificate[1] <= now <= certificate[2] else None


def is_current(text: str, now: float) -> bool:
    """Return whether `text` is a certificate valid at `now`, or a bare key, which has no dates."""
    if not text.strip().startswith("-----BEGIN CERTIFICATE"):
        return True
    try:
        certificate = _read_certificate(restore_line_breaks(text).encode("ascii"), (), b"", 0)
    except ValueError:
        return False
    return certificate is not None and certificate[1] <= now <= certificate[2]


@lru_cache(maxsize=64)
def _read_certificate(
    document: bytes, names: Sequence[str], roots: bytes, step: int
) -> tuple[bytes, float, float] | None:
    """Return the key and the validity of the first certificate of `document`; None if it is
    invalid.

    With `names`, the other certificates lead from it to one of `roots`.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        leaf, *others = x509.load_pem_x509_certificates(document)[:MAX_CHAIN_CERTIFICATES]
        key = public_der(leaf.public_key(), "rsa")
    except (ValueError, UnsupportedAlgorithm):
        return None
    begins = leaf.not_valid_before_utc
    ends = leaf.not_valid_after_utc
    moment = max(datetime.fromtimestamp(step * CHAIN_CACHE_SECONDS, UTC), begins)
    if names and not any(_leads_to(leaf, others, name, roots, moment) for name in names):
        return None
    return key, begins.timestamp(), ends.timestamp()


def _leads_to(leaf: Any, others: Sequence[Any], name: str, roots: bytes, moment: datetime) -> bool:
    from cryptography import x509
    from cryptography.x509.verification import PolicyBuilder, VerificationError

    store = _store(roots)
    if store is None:
        return False
    verifier = PolicyBuilder().store(store).time(moment).build_server_verifier(x509.DNSName(name))
    try:
        verifier.verify(leaf, list(others))
    except VerificationError:
        return False
    return True


@lru_cache(maxsize=4)
def _store(roots: bytes) -> Any:
    """Return the store of trusted certificates, or None if it is empty; unreadable ones are
    skipped.
    """
    from cryptography import x509
    from cryptography.x509.verification import Store

    certificates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some old authorities have odd serial numbers
        for pem in PEM_CERTIFICATE.findall(roots):
            try:
                certificates.append(x509.load_pem_x509_certificate(pem))
            except ValueError:
                continue
    return Store(certificates) if certificates else None
