"""Spoils signed requests in every way that has nothing to do with time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from senders import Sender, covers_body, stranger

from bridge.core.http_messages import Request

GARBAGE = (
    "",
    " ",
    "=",
    ",",
    "v1,",
    "t=,v1=",
    "Bearer ",
    "Basic",
    "Basic " + "!" * 20,
    "é",
    "😀",
    "\udcff",
    "\x00",
    "sha256=" + "g" * 64,
    "t=1,v1=" + "z" * 64,
    "v1," * 900,
    "a.b.c",
    "x" * 100_000,
)
HOSTILE_BODIES = (
    b"",
    b"\x00",
    b"\xff" * 40,
    b"[" * 5000,
    b'{"a":',
    b"null",
    b"=&=&%zz",
    b"a=1;b=2" * 10_000,
)


def added(one: Sender) -> list[str]:
    """The headers that signing adds to a sample."""
    plain = one.request()
    signed = one.signed()
    return [name for name, value in signed.headers.items() if plain.headers.get(name) != value]


def spoiled(one: Sender) -> Iterator[tuple[str, Request]]:
    """Every way in which a request of the sender can be spoiled that has nothing to do with time."""
    signed = one.signed()
    plain = one.request()
    yield "unsigned", plain
    yield "wrong secret", stranger(one).signed()
    yield (
        "no headers at all",
        replace(signed, headers={}, query_string="", url="https://example.com/hooks/x", body=b""),
    )
    for name in added(one):
        yield (
            f"without {name}",
            replace(
                signed, headers={key: value for key, value in signed.headers.items() if key != name}
            ),
        )
        for value in GARBAGE:
            if value != plain.headers.get(name):
                yield (
                    f"{name}: {value[:12]!r}",
                    replace(signed, headers={**signed.headers, name: value}),
                )
    if signed.query_string != plain.query_string:
        for value in GARBAGE:
            yield (
                f"?{value[:12]!r}",
                replace(signed, query_string=value, url=f"{plain.url}?{value}"),
            )
    if covers_body(one) or signed.body != plain.body:
        for body in HOSTILE_BODIES:
            yield f"body {body[:12]!r}", replace(signed, body=body)
    if covers_body(one):
        yield "a byte more", replace(signed, body=signed.body + b"\n")
        middle = len(signed.body) // 2
        yield (
            "a byte changed",
            replace(signed, body=signed.body[:middle] + b"~" + signed.body[middle + 1 :]),
        )
