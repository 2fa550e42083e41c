"""The certificate that a URL shows to the world: looked at over the network, and kept in the data
folder for all who ask.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bridge.core.status import Certificate
from bridge.core.timings import TIMINGS
from bridge.system.state_file import recall, remember

FILE: Final = "certificate.json"


def look(url: str, step: float = TIMINGS.certificate_step_seconds) -> Certificate:
    """Return the certificate of an https URL, whoever issued it. The authorities of the machine are
    trusted, and those of certifi.

    `step`: seconds for each step of a connection. Where none is seen, the reason stands in
    `unreached`. It takes a few seconds, and half a minute at most but for a name that is slow.
    """
    begins_at = None
    ends_at = None
    refused = None
    unreached = None
    try:
        try:
            begins_at, ends_at = _dates(url, _trusting(), step)
        except ssl.SSLCertVerificationError as error:
            refused = error.verify_message
            begins_at, ends_at = _dates(url, _indifferent(), step)
    except (OSError, ValueError) as error:
        unreached = (
            None
            if refused
            else str(getattr(error, "strerror", None) or error or type(error).__name__)
        )
    return Certificate(
        url=url,
        looked_at=time.time(),
        begins_at=begins_at,
        ends_at=ends_at,
        refused=refused,
        unreached=unreached,
    )


def _trusting() -> ssl.SSLContext:
    """Return how to connect as senders do."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(cafile=certifi.where())
    return context


def _indifferent() -> ssl.SSLContext:
    """Return how to connect to see the dates of what is not trusted; nothing is sent by it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _dates(url: str, context: ssl.SSLContext, step: float) -> tuple[float, float]:
    """Return from when until when the certificate is valid."""
    from cryptography import x509  # a large library, for once in six hours

    parts = urlsplit(url)
    host = parts.hostname or ""
    address = host, parts.port or 443
    with (
        socket.create_connection(address, step) as plain,
        context.wrap_socket(plain, server_hostname=host) as tls,
    ):
        shown = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    return shown.not_valid_before_utc.timestamp(), shown.not_valid_after_utc.timestamp()


# -- what was seen


def kept(data: Path, url: str) -> Certificate | None:
    """Return what was seen last of a URL from this data folder; None where nothing was, or it
    cannot be read.
    """
    found = recall(data / FILE, Certificate)
    return found if found is not None and found.url == url else None


def keep(data: Path, seen: Certificate) -> None:
    """Keep what was seen; where none was, with the dates that were seen before. `OSError`: it
    cannot be written.
    """
    before = kept(data, seen.url)
    if seen.unreached is not None and before is not None:
        seen = replace(before, looked_at=seen.looked_at, unreached=seen.unreached)
    remember(data / FILE, seen)


def is_due(known: Certificate | None, now: float, interval: float) -> bool:
    """Tell whether it is time to look, by what is kept."""
    return known is None or not 0 <= now - known.looked_at < interval
