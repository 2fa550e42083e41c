"""The Host headers that a private listener accepts.

This stops DNS rebinding: a web page whose name resolves to this machine must not read from it.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from bridge.config.addresses import Address, is_loopback
from bridge.config.settings import Settings

UNSPECIFIED_ADDRESSES = frozenset({"0.0.0.0", "::"})  # noqa: S104 - browsers reach this machine by them
_HOST: Final = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:@/]+))(?::[0-9]*)?")
MISDIRECTED_BODY = (
    b'{"error":"misdirected","message":"this Host is not served here: see'
    b' FLOWBRIDGE_CONSOLE_HOSTS"}'
)


def find_own_hosts(settings: Settings, *bound: Address | None) -> frozenset[str]:
    """Return the hosts of a private listener bound to these addresses, without the loopback."""
    hosts = {
        address[0].lower() for address in bound if address is not None
    } | settings.console_hosts
    if settings.expose and settings.public_url:
        hosts.add(urlsplit(settings.public_url).hostname or "")
    return frozenset(hosts - UNSPECIFIED_ADDRESSES - {""})


def is_own_host(header: str, hosts: frozenset[str]) -> bool:
    """Return whether a Host header names the loopback or one of the hosts, on any port."""
    match = _HOST.fullmatch(header)
    if match is None:
        return False
    name = (match[1] or match[2]).lower()
    return is_loopback(name) or name in hosts
