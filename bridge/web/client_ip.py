"""The client's address: from the socket, or from the headers of trusted proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from bridge.config.settings import Settings


def client_address(environ: Mapping[str, Any], settings: Settings) -> str | None:
    """Return the client's address: the last in the chain that is not one of our trusted proxies.

    The client itself may have written any address before that one.
    """
    address = environ.get("REMOTE_ADDR") or None
    if not settings.trusted_proxies or "HTTP_X_FORWARDED_FOR" not in environ:
        return address
    chain = [*(part.strip() for part in environ["HTTP_X_FORWARDED_FOR"].split(",")), address or ""]
    while len(chain) > 1 and _is_trusted(chain[-1], settings):
        chain.pop()
    return chain[-1] if _parse(chain[-1]) else address


def _is_trusted(text: str, settings: Settings) -> bool:
    address = _parse(text)
    return address is not None and any(address in network for network in settings.trusted_proxies)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
