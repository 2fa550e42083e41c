"""Attacks by forms that are decoded before they can be verified."""

from __future__ import annotations

from functools import partial

from attacks import Attack, Wire

from bridge.core.percent_encoding import MAX_ESCAPES

FORM_BYTES = 5_000_000
#: Sources of these attacks, for routes.yaml.
SOURCES = {"twilio": {"provider": "twilio", "secret": "0123456789abcdef" * 2}}
HEAD = (
    b"POST /hooks/twilio HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n"
    b"X-Twilio-Signature: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
    b"Content-Length: %d\r\n\r\n"
)


async def send_form(wire: Wire, escapes: int) -> None:
    """Send a form of the largest size with so many percent signs."""
    body = b"a=" + b"%" * escapes
    body += b"x" * (FORM_BYTES - len(body))
    await wire.send(HEAD % len(body) + body)


ATTACKS = (
    Attack(
        name="4 forms of 5 MB of percent signs",
        connections=4,
        hold=partial(send_form, escapes=FORM_BYTES - 2),
    ),
    Attack(
        name="4 forms of 5 MB with the most escapes",
        connections=4,
        hold=partial(send_form, escapes=MAX_ESCAPES),
    ),
)
