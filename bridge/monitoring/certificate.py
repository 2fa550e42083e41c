"""The certificate of a URL: checked over the network, and stored in the data folder."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bridge.core.status import UrlCertificate
from bridge.core.timings import TIMINGS
from bridge.system.state_file import read_state, write_state

STATE_FILE: Final = "certificate.json"


def check_certificate(url: str, step: float = TIMINGS.certificate_step_seconds) -> UrlCertificate:
    """Return the certificate of an https URL, trusted or not.

    Trusted are the CAs of the machine and of certifi. If the server cannot be reached, `unreached`
    has the reason. `step`: seconds for each step of a connection; in all it takes at most half a
    minute, plus the resolution of the name.
    """
    begins_at = None
    ends_at = None
    refused = None
    unreached = None
    try:
        try:
            begins_at, ends_at = _dates(url, _verifying_context(), step)
        except ssl.SSLCertVerificationError as error:
            refused = error.verify_message
            begins_at, ends_at = _dates(url, _unverified_context(), step)
    except (OSError, ValueError) as error:
        unreached = (
            None
            if refused
            else str(getattr(error, "strerror", None) or error or type(error).__name__)
        )
    return UrlCertificate(
        url=url,
        looked_at=time.time(),
        begins_at=begins_at,
        ends_at=ends_at,
        refused=refused,
        unreached=unreached,
    )


def _verifying_context() -> ssl.SSLContext:
    """Return a context that verifies certificates, as senders do."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(cafile=certifi.where())
    return context


def _unverified_context() -> ssl.SSLContext:
    """Return a context that verifies nothing, to read the dates. No data is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _dates(url: str, context: ssl.SSLContext, step: float) -> tuple[float, float]:
    """Return when the validity of the certificate begins and ends."""
    from cryptography import x509  # a large library, needed once in six hours

    parts = urlsplit(url)
    host = parts.hostname or ""
    address = host, parts.port or 443
    with (
        socket.create_connection(address, step) as plain,
        context.wrap_socket(plain, server_hostname=host) as tls,
    ):
        certificate = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()


# -- the stored result


def load_certificate(data: Path, url: str) -> UrlCertificate | None:
    """Return the stored certificate of a URL, None if there is none or it cannot be read."""
    certificate = read_state(data / STATE_FILE, UrlCertificate)
    return certificate if certificate is not None and certificate.url == url else None


def store_certificate(data: Path, seen: UrlCertificate) -> None:
    """Store a certificate. If the server was not reached, the earlier dates stay.

    Raises `OSError` if it cannot be written.
    """
    before = load_certificate(data, seen.url)
    if seen.unreached is not None and before is not None:
        seen = replace(before, looked_at=seen.looked_at, unreached=seen.unreached)
    write_state(data / STATE_FILE, seen)


def is_check_due(last_check: UrlCertificate | None, now: float, interval: float) -> bool:
    """Return whether it is time for the next check."""
    return last_check is None or not 0 <= now - last_check.looked_at < interval
