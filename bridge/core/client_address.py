"""Anonymize client addresses of form submissions: in full, as a network, as a daily hash, or none.

Pure.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from bridge.core.masking import MASK
from bridge.core.units import DAY

TRUNCATED_BITS = {4: 24, 6: 48}  # of a truncated address
# of the network that is counted: one client has all 2**64 addresses of an IPv6 network
COUNTED_BITS = {4: 32, 6: 64}
NEIGHBOR_BITS = {4: 24, 6: 56}  # of the network whose clients share what a receiver holds
#: Headers in which proxies pass on the address of the client, lower-case.
CLIENT_ADDRESS_HEADERS = frozenset(
    {
        "x-forwarded-for",
        "x-original-forwarded-for",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-remote-ip",
        "x-remote-addr",
        "x-originating-ip",
        "x-proxyuser-ip",
        "x-envoy-external-address",
        "x-azure-clientip",
        "x-azure-socketip",
        "x-appengine-user-ip",
        "x-vercel-forwarded-for",
        "x-vercel-proxied-for",
        "x-nf-client-connection-ip",
        "x-arr-clientip",
        "x-coming-from",
        "client-ip",
        "remote-addr",
        "forwarded-for",
        "true-client-ip",
        "cf-connecting-ip",
        "cf-connecting-ipv6",
        "cf-pseudo-ipv4",
        "fastly-client-ip",
        "fly-client-ip",
        "do-connecting-ip",
        "akamai-client-ip",
        "incap-client-ip",
        "cloudfront-viewer-address",
        "x-sucuri-clientip",
        "x-bb-ip",
        "x-remote-host",
        "x-forwarded-client-ip",
        "x-host-ip",
    }
)
_PARAMETER = re.compile(r'(?i)\b(for|by)=("[^"]*+"|[^;,\s]*+)')
_PORT = re.compile(r"\[([^\]]*)\](?::\d{1,5})?|(\d{1,3}(?:\.\d{1,3}){3}):\d{1,5}")

AddressMask = Callable[[str], str | None]


def anonymize_address(address: str, how: str, key: bytes, source: str, now: float) -> str | None:
    """Return an address as the form's `addresses` setting stores it; None for none or no address.

    `hashed` is an HMAC with the secret key that differs for each form and each day (UTC). Without
    the key, addresses cannot be tried; with it, trying every address is the only way to link two
    days.
    """
    parsed = _parse(address)
    if parsed is None or how == "none":
        return None
    if how == "full":
        return str(parsed)
    if how == "truncated":
        return _network(parsed, TRUNCATED_BITS)
    return (
        "hmac:"
        + hmac.digest(
            key, f"address\0{source}\0{int(now // DAY)}\0{parsed}".encode(), sha256
        ).hex()[:24]
    )


def counted_network(address: str | None) -> str:
    """Return the network by which submissions of a sender are counted; empty if unknown.

    Callers store it only as a keyed hash.
    """
    parsed = _parse(address or "")
    return _network(parsed, COUNTED_BITS) if parsed is not None else ""


def neighbor_network(address: str) -> str | None:
    """Return the network whose clients share what a receiver holds; None if unknown."""
    parsed = _parse(address)
    return None if parsed is None else _network(parsed, NEIGHBOR_BITS)


def mask_addresses(
    headers: Mapping[str, str], address: str | None, show: AddressMask
) -> dict[str, str]:
    """Return the headers with each client address replaced by the result of `show`.

    This covers the headers that proxies write and any other header that contains the address. A
    header that is empty afterwards is dropped.
    """
    masked_headers: dict[str, str] = {}
    for name, value in headers.items():
        if name in CLIENT_ADDRESS_HEADERS:
            masked = ", ".join(filter(None, (_one(part, show) for part in value.split(","))))
        elif name == "forwarded":
            masked = _PARAMETER.sub(
                lambda match: f'{match[1]}="{_one(match[2].strip(chr(34)), show) or "unknown"}"',
                value,
            )
        elif address and address in value and name != "host":  # `Host` is our own address
            masked = value.replace(address, show(address) or MASK)
        else:
            masked = value
        if masked or not value:
            masked_headers[name] = masked
    return masked_headers


def _one(text: str, show: AddressMask) -> str | None:
    """Return one address of a header as `show` has it; a mask for text that is no valid address."""
    bare = text.strip().strip('"')
    match = _PORT.fullmatch(bare)
    bare = (match[1] or match[2]) if match else bare
    if not bare:
        return None
    return show(bare) if _parse(bare) is not None else MASK


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


def _network(parsed: IPv4Address | IPv6Address, bits: Mapping[int, int]) -> str:
    return str(ip_network((parsed, bits[parsed.version]), strict=False))
