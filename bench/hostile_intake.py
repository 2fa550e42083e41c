"""Attacks by requests that take long to arrive, or that cost more than their bytes."""

from __future__ import annotations

from attacks import Attack, Wire

MIB = 1024 * 1024
HEAD = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def fill_bodies(wire: Wire) -> None:
    """Send nearly all of GitHub's largest body, then go on as slowly as the server permits."""
    await wire.send(HEAD % b"/hooks/github" + b"Content-Length: %d\r\n\r\n" % (25 * MIB))
    for _ in range(24):
        await wire.send(b"x" * MIB)


async def fill_pages(wire: Wire) -> None:
    """Send a mebibyte to a path that takes no body, and do not end it."""
    path = (b"/healthz", b"/nowhere", b"/api/v1/start_pipeline", b"/console/x")[wire.number % 4]
    await wire.send(CHUNKED % path + b"%x\r\n%s" % (MIB, b"x" * MIB))


async def send_small_chunks(wire: Wire) -> None:
    """Send a body in chunks of one byte."""
    await wire.send(CHUNKED % b"/hooks/github")
    while True:
        await wire.send(b"1\r\nx\r\n" * 2730)


ATTACKS = (
    Attack(name="12 bodies of 25 MiB that stop", connections=12, hold=fill_bodies),
    Attack(name="200 bodies for paths that take none", connections=200, hold=fill_pages),
    Attack(name="200 bodies in chunks of a byte", connections=200, hold=send_small_chunks),
)
