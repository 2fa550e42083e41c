"""Addresses, hosts and networks as the settings hold them."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from bridge.core.errors import SettingsError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = tuple[str, int]
ADDRESS_PATTERN = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]*)):(?P<port>[0-9]{1,5})"
)
HOST_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?|\[?[0-9a-f]*:[0-9a-f:.]+\]?")


def make_local_url(address: Address) -> str:
    """Return the URL of a listener on this machine; one of all addresses is called by loopback."""
    host, port = address
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - how all addresses of this machine are reached
    return f"http://{bracket(host)}:{port}"


def bracket(host: str) -> str:
    """Return `host` as it is written in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def parse_address(name: str, text: str) -> Address:
    match = ADDRESS_PATTERN.fullmatch(text)
    if not match or int(match["port"]) > 65535:
        raise SettingsError(
            f"{name}: {text!r} is not HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"
        )
    return match["six"] or match["host"] or "0.0.0.0", int(match["port"])  # noqa: S104 - a port alone means all addresses


def parse_optional_address(name: str, text: str) -> Address | None:
    """Return an address; None where none is set."""
    return parse_address(name, text) if text else None


def parse_public_url(name: str, text: str) -> str:
    """Return the URL that senders use, without a slash at its end."""
    text = text.rstrip("/")
    try:
        parts = urlsplit(text)
        fits = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
            and text.isprintable()
        )
    except ValueError:
        fits = False
    if text and not fits:
        raise SettingsError(
            f"{name} needs a URL that begins with https:// (or http://), such as"
            " https://hooks.example.com"
        )
    return text


def parse_hosts(name: str, text: str, *binds: str | None) -> frozenset[str]:
    """Return the hosts of a list, and the hosts of the bind addresses.

    The bind addresses are taken as written, since binding turns a name into a number.
    """
    hosts = [word.strip().lower() for word in text.split(",") if word.strip()]
    for host in hosts:
        if not HOST_PATTERN.fullmatch(host):
            raise SettingsError(
                f"{name}: {host!r} is not a host, such as bridge.internal or 10.0.0.5 (without a"
                " port)"
            )
    return frozenset(host.strip("[]") for host in hosts) | {
        parse_address(name, bind)[0].lower() for bind in binds if bind
    }


def parse_networks(name: str, text: str) -> tuple[Network, ...]:
    try:
        return tuple(
            ipaddress.ip_network(word.strip(), strict=False)
            for word in text.split(",")
            if word.strip()
        )
    except ValueError as error:
        raise SettingsError(
            f"{name}: {error}; write addresses or networks, joined by commas"
        ) from None
