"""The client's address: from the socket, or from the headers of trusted proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from bridge.config.addresses import Network
from bridge.config.settings import Settings
from bridge.core.client_address import neighbor_network


def client_address(environ: Mapping[str, Any], settings: Settings) -> str | None:
    """Return the client's address of a WSGI environment; see `find_client`."""
    address = environ.get("REMOTE_ADDR") or None
    return find_client(address, environ.get("HTTP_X_FORWARDED_FOR"), settings)


def find_client(address: str | None, forwarded: str | None, settings: Settings) -> str | None:
    """Return the client's address: the last in the chain that is not one of our trusted proxies.

    `address`: of the peer. `forwarded`: the value of X-Forwarded-For, None without it; the client
    itself may have written any address before the last.
    """
    if not settings.trusted_proxies or forwarded is None:
        return address
    chain = [*(part.strip() for part in forwarded.split(",")), address or ""]
    while len(chain) > 1 and _is_trusted(chain[-1], settings.trusted_proxies):
        chain.pop()
    return chain[-1] if _parse(chain[-1]) else address


@lru_cache(maxsize=4096)
def find_network(client: str | None, trusted: tuple[Network, ...]) -> str | None:
    """Return the network with which a client shares its limits.

    None for one that is unknown: a Unix socket, or a trusted proxy that names no client.
    """
    return None if client is None or _is_trusted(client, trusted) else neighbor_network(client)


def _is_trusted(text: str, trusted: tuple[Network, ...]) -> bool:
    address = _parse(text)
    return address is not None and any(address in network for network in trusted)


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
