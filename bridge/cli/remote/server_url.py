"""The URL of a bridge on another machine. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bridge.core.errors import SettingsError

API_PATH: Final = "/admin/v1"
MAX_URL_CHARS: Final = 500
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
LOOPBACK_NAME: Final = "localhost"
_HOST: Final = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
#: A host and a port: urllib also reads `[::1].example.com`, as `::1`.
_NETLOC: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
USAGE: Final = (
    "use https://HOST, or http://127.0.0.1:PORT for a bridge on this machine or behind an SSH"
    " tunnel (ssh -L 8081:127.0.0.1:8081 HOST)"
)


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """The origin of a bridge: scheme, host and port, as `https://bridge.example.com`.

    `is_plain`: it is http, which is for loopback addresses only.
    """

    origin: str
    is_plain: bool

    def __str__(self) -> str:
        return self.origin


def parse_server_url(text: str) -> ServerUrl:
    """Return the origin of a URL. `SettingsError` says what is allowed where it is not valid.

    A token must not go over plain HTTP to another machine, and no URL may contain a password.
    """
    try:
        parts = urlsplit(text if len(text) <= MAX_URL_CHARS and text.isprintable() else "")
        scheme = parts.scheme
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or DEFAULT_PORTS.get(scheme, 0)
        is_origin = parts.path in ("", "/", API_PATH, f"{API_PATH}/") and not (
            parts.query or parts.fragment
        )
    except ValueError:
        raise SettingsError(f"the URL of the server is not valid: {USAGE}") from None
    is_host = _NETLOC.fullmatch(parts.netloc) and _HOST.fullmatch(host)
    if scheme not in DEFAULT_PORTS or not is_host or not is_origin:
        raise SettingsError(f"the URL of the server is not valid: {USAGE}")
    is_plain = scheme == "http"
    if is_plain and not is_loopback(host):
        raise SettingsError(
            f"no token is sent to {host} over plain HTTP: anybody on the way could read it; {USAGE}"
        )
    url_host = f"[{host}]" if ":" in host else host
    suffix = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    return ServerUrl(f"{scheme}://{url_host}{suffix}", is_plain)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine: `localhost`, or a loopback address."""
    if host == LOOPBACK_NAME:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
