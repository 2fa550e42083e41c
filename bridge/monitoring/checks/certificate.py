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
    one = now.certificate
    if one is None:
        return
    if one.refused is not None:
        yield Occurrence(
            f"the certificate of {one.host} is not trusted; senders refuse it: {one.refused}",
            RENEW,
            one.host,
        )
    elif _ends_within(one, now.at, URGENT_SECONDS, URGENT_SHARE):
        yield Occurrence(f"{_describe_end(one, now.at)}: senders refuse it then", RENEW, one.host)


def find_old_certificate(now: Overview) -> Iterator[Occurrence]:
    """Report a certificate that should have been renewed.

    Also where that is urgent by now, so that the earlier alert is not reported as resolved.
    """
    one = now.certificate
    if one is not None and _ends_within(one, now.at, WARNING_SECONDS, WARNING_SHARE):
        yield Occurrence(f"{_describe_end(one, now.at)}, and was not renewed", RENEW, one.host)


def _ends_within(one: UrlCertificate, at: float, seconds: float, share: float) -> bool:
    if one.begins_at is None or one.ends_at is None:
        return False
    return one.ends_at - at < min(seconds, share * (one.ends_at - one.begins_at))


def _describe_end(one: UrlCertificate, at: float) -> str:
    left = (one.ends_at or 0.0) - at
    if left > 0:
        return f"the certificate of {one.host} expires in {left / DAY:.1f} days"
    return f"the certificate of {one.host} has expired"
