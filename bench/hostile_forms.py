"""Attacks by forms: large ones that are decoded before they are verified, and a form that is filled."""

from __future__ import annotations

import http.client
import json
import time
from functools import partial

from attacks import ADDRESS, Attack, Wire

from bridge.core.percent_encoding import MAX_ESCAPES

FORM_BYTES = 5_000_000
FILLING_BYTES = 60 * 1000  # of a submission that fills the form
MAX_FILLING = 1000  # submissions; some are refused for their rate
SUBMISSION_BYTES = 20 * 1024  # of one that is refused
#: Sources of these attacks, for routes.yaml.
SOURCES = {
    "twilio": {"provider": "twilio", "secret": "0123456789abcdef" * 2},
    "contact": {
        "provider": "form",
        "rate": "100000/min and 100000/min per address",
        "daily_bytes": "4 MiB",
    },
}
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


def submit(port: int, name: str, address: str = "127.0.0.1", size: int = 0) -> bytes:
    """Submit the form from an address; return the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, source_address=(address, 0))
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    try:
        body = json.dumps({"name": name, "text": "x" * size})
        connection.request("POST", "/hooks/contact", body, headers)
        return connection.getresponse().read()
    finally:
        connection.close()


def fill_form(port: int) -> None:
    """Submit until the attacker's network has its share of the form; a proxy limits the rate."""
    for number in range(MAX_FILLING):
        if b"daily_bytes_full" in submit(port, f"fill {number}", ADDRESS, FILLING_BYTES):
            return
        time.sleep(0.05)
    raise SystemExit("the form was not filled")


async def submit_in_vain(wire: Wire) -> None:
    """Send a submission, for which the attacker's share of the form has no room."""
    body = json.dumps({"name": f"{wire.number}", "text": "x" * SUBMISSION_BYTES}).encode()
    head = b"POST /hooks/contact HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    await wire.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


ATTACKS = (
    Attack(
        name="200 submissions of one network to a form that it has filled",
        connections=200,
        hold=submit_in_vain,
        prepare=fill_form,
        submit=submit,
    ),
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
