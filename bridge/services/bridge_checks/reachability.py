"""Checks of the way to a running bridge: its address, its certificate and its clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.core.errors import BridgeError
from bridge.core.http_messages import Answer, Call
from bridge.core.units import DAY
from bridge.monitoring import certificate
from bridge.monitoring.checks.certificate import WARNING_SECONDS
from bridge.services.bridge_calls import call_bridge
from bridge.services.bridge_checks.findings import CheckFinding

if TYPE_CHECKING:
    from bridge.system.http_client import HttpClient

MAX_CLOCK_SECONDS: Final = 5.0  # that two clocks may differ
ANSWER_SECONDS: Final = 15.0  # until a call counts as not answered


def check_reachability(sender: HttpClient, target: str) -> Iterator[CheckFinding]:
    """Yield the findings of the address, its certificate and its clock.

    Raises `BridgeError` where no bridge answers there.
    """
    before = time.time()
    answer = ask_bridge(sender, Call(method="GET", url=f"{target}/healthz", headers={}, body=b""))
    if answer.status != 200:
        raise BridgeError(
            f"{target}/healthz answers {answer.status}: is that a flowbridge, and does the proxy"
            " pass /healthz on?"
        )
    yield from describe_answer(target, "/healthz", answer, before)


def describe_answer(
    target: str, path: str, answer: Answer, before: float
) -> Iterator[CheckFinding]:
    """Yield the findings of an address that has just answered: its certificate and its clock.

    `before`: when it was asked.
    """
    took = f"{(time.time() - before) * 1000:.0f} ms"
    yield CheckFinding("reached", target, "ok", f"{path} answers {answer.status} in {took}")
    if urlsplit(target).scheme == "https":
        yield check_certificate(target)
    if "date" in answer.headers:
        yield check_clock(answer.headers["date"], before)


def check_public_url(public_url: str) -> Iterator[CheckFinding]:
    """Yield a warning where the public URL of a bridge is not set, or not https."""
    if not public_url:
        yield CheckFinding(
            "public URL",
            "-",
            "warning",
            "FLOWBRIDGE_PUBLIC_URL is not set: senders that sign the URL cannot be verified",
        )
    elif urlsplit(public_url).scheme != "https":
        yield CheckFinding(
            "public URL",
            public_url,
            "warning",
            "it is not https: tokens and payloads are sent unencrypted",
        )


def check_certificate(target: str) -> CheckFinding:
    """Return how long the certificate lasts."""
    host = urlsplit(target).hostname or ""
    seen = certificate.check_certificate(target)
    if seen.refused is not None:
        return CheckFinding(
            "certificate", host, "error", f"senders do not trust it: {seen.refused}"
        )
    if seen.ends_at is None:
        return CheckFinding("certificate", host, "error", f"it was not seen: {seen.unreached}")
    left = seen.ends_at - time.time()
    return CheckFinding(
        "certificate",
        host,
        "ok" if left > WARNING_SECONDS else "warning",
        f"valid for {left / DAY:.0f} more days",
    )


def check_clock(date: str, now: float) -> CheckFinding:
    """Compare the Date of an answer with the time at which it was asked for."""
    try:
        apart = abs(parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return CheckFinding("clock", "-", "warning", "the answer's Date cannot be read")
    if apart <= MAX_CLOCK_SECONDS:
        return CheckFinding("clock", "-", "ok", "this machine's clock and the server's agree")
    return CheckFinding(
        "clock",
        "-",
        "error",
        f"this machine's clock and the server's are {apart:.0f} seconds apart: signed timestamps"
        " will be refused",
    )


def ask_bridge(sender: HttpClient, call: Call) -> Answer:
    """Make a call and return its answer; `BridgeError` with its URL where none came."""
    return call_bridge(sender, call, ANSWER_SECONDS, f"{call.url}: ")
