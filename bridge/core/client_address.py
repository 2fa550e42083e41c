"""What is kept of the address that a form was sent from: all of it, its network, a hash that lasts
a day, or nothing. Pure.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from bridge.core.masking import MASK

DAY = 86400
KEPT_BITS = {4: 24, 6: 48}  # of an address that is truncated
# of one that is counted: whoever has one address of IPv6 has the 2**64 beside it
SENDER_BITS = {4: 32, 6: 64}
#: Headers in which proxies say who called them, lower-case.
TELLING = frozenset(
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

Show = Callable[[str], str | None]


def shown(address: str, how: str, key: bytes, source: str, now: float) -> str | None:
    """Return what is kept of an address; null where nothing is, or where it is none.

    hashed: an HMAC by the secret key that differs for every form and every day (UTC), so that
    without the key nobody can try all addresses, and with it those of two days cannot be told to be
    the same but by trying.
    """
    parsed = _parse(address)
    if parsed is None or how == "none":
        return None
    if how == "full":
        return str(parsed)
    if how == "truncated":
        return _network(parsed, KEPT_BITS)
    return (
        "hmac:"
        + hmac.digest(
            key, f"address\0{source}\0{int(now // DAY)}\0{parsed}".encode(), sha256
        ).hex()[:24]
    )


def sender(address: str | None) -> str:
    """Return what stands for whoever calls from an address, to be counted: it is never kept but as
    a keyed hash.
    """
    parsed = _parse(address or "")
    return _network(parsed, SENDER_BITS) if parsed is not None else ""


def masked(headers: Mapping[str, str], address: str | None, show: Show) -> dict[str, str]:
    """Return headers in which every address of a sender is as `show` has it, and what tells nothing
    then is left out.

    They are those that proxies write, and any other in which the very address stands.
    """
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if name in TELLING:
            told = ", ".join(filter(None, (_one(part, show) for part in value.split(","))))
        elif name == "forwarded":
            told = _PARAMETER.sub(
                lambda found: f'{found[1]}="{_one(found[2].strip(chr(34)), show) or "unknown"}"',
                value,
            )
        elif address and address in value and name != "host":  # that is where it was sent to
            told = value.replace(address, show(address) or MASK)
        else:
            told = value
        if told or not value:
            kept[name] = told
    return kept


def _one(text: str, show: Show) -> str | None:
    """Return an address that stands in a header as it is shown; what is none may be one that is
    only written otherwise.
    """
    bare = text.strip().strip('"')
    found = _PORT.fullmatch(bare)
    bare = (found[1] or found[2]) if found else bare
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
