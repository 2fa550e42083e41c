"""Checks of the certificate of the public URL. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.core.advice import advise, name_command
from bridge.core.status import Overview, UrlCertificate
from bridge.core.units import DAY
from bridge.monitoring.checks.occurrence import Occurrence

# seconds before its end in which a certificate should have been renewed
WARNING_SECONDS = 14 * DAY
URGENT_SECONDS = 3 * DAY
# the same as shares of its whole validity, for short ones
WARNING_SHARE = 0.25
URGENT_SHARE = 0.1
RENEW: Final = advise("renew it; ", name_command("doctor"))


def find_urgent_certificate(now: Overview) -> Iterator[Occurrence]:
    """Report a certificate that senders refuse, or will refuse in a few days."""
    certificate = now.certificate
    if certificate is None:
        return
    if certificate.refused is not None:
        yield Occurrence(
            f"the certificate of {certificate.host} is not trusted; senders refuse it:"
            f" {certificate.refused}",
            RENEW,
            certificate.host,
        )
    elif _ends_within(certificate, now.at, URGENT_SECONDS, URGENT_SHARE):
        yield Occurrence(
            f"{_describe_end(certificate, now.at)}: senders refuse it then", RENEW, certificate.host
        )


def find_old_certificate(now: Overview) -> Iterator[Occurrence]:
    """Report a certificate that should have been renewed.

    Also where that is urgent by now, so that the earlier alert is not reported as resolved.
    """
    certificate = now.certificate
    if certificate is not None and _ends_within(
        certificate, now.at, WARNING_SECONDS, WARNING_SHARE
    ):
        yield Occurrence(
            f"{_describe_end(certificate, now.at)}, and was not renewed", RENEW, certificate.host
        )


def _ends_within(certificate: UrlCertificate, at: float, seconds: float, share: float) -> bool:
    if certificate.begins_at is None or certificate.ends_at is None:
        return False
    return certificate.ends_at - at < min(
        seconds, share * (certificate.ends_at - certificate.begins_at)
    )


def _describe_end(certificate: UrlCertificate, at: float) -> str:
    left = (certificate.ends_at or 0.0) - at
    if left > 0:
        return f"the certificate of {certificate.host} expires in {left / DAY:.1f} days"
    return f"the certificate of {certificate.host} has expired"
