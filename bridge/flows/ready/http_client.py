"""HTTP client of flows: one call, without redirects, to allowed addresses only."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.flows.errors import FlowError
from bridge.flows.ready.environment import read_file_path, read_list

PRIVATE_SETTING: Final = "FLOWBRIDGE_HTTP_REQUEST_PRIVATE"
HTTP_CA_SETTING: Final = "FLOWBRIDGE_HTTP_REQUEST_CA"
MAX_CALL_ANSWER_BYTES: Final = 256 * 1024  # bytes
MAX_URL_CHARACTERS: Final = 8190

_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]+\]")
_UNQUOTED: Final = "/%:@!$&'()*+,;=~-._"  # characters of a path or query that stay as they are
#: Addresses that ipaddress calls global, but that are internal: Azure's own services, NAT64 and
#: SRv6 within a network.
_INTERNAL_NETWORKS: Final = tuple(
    map(ipaddress.ip_network, ("168.63.129.16/32", "64:ff9b:1::/48", "5f00::/16", "2001::/32"))
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.ip_network("::/96")


def parse_url(name: str, url: str) -> SplitResult:
    """Parse an http or https URL into ASCII parts without a fragment. Errors never quote the URL.

    The host is the one that is called: a name or address in plain characters, without a user name,
    which some parsers take for the host.
    """
    if len(url) > MAX_URL_CHARACTERS or re.search(r"[\x00-\x20\x7f-\xa0\\]", url):
        raise FlowError(
            f"{name}: a URL has at most {MAX_URL_CHARACTERS} characters, without blanks,"
            " backslashes and control characters; write them as %20 …"
        )
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
        host = f"[{host}]" if ":" in host else host.encode("idna").decode() if host else ""
    except (ValueError, UnicodeError):
        raise FlowError(f"{name}: not a valid URL") from None
    if parts.scheme not in ("http", "https"):
        raise FlowError(f"{name}: the URL must begin with https:// or http://")
    if "@" in parts.netloc:
        raise FlowError(
            f"{name}: the URL must not contain a user name or password; put them into a header"
        )
    if not _HOST.fullmatch(host):
        raise FlowError(f"{name}: the URL has no valid host")
    netloc = host if port is None else f"{host}:{port}"
    return SplitResult(
        parts.scheme,
        netloc,
        quote(parts.path or "/", safe=_UNQUOTED),
        quote(parts.query, safe=_UNQUOTED + "?"),
        "",
    )


@dataclass(slots=True)
class AddressPolicy:
    """Check whether a call to `host` may connect to an address.

    `refused` is the last refused address.
    """

    host: str
    private: bool = False  #: any address is allowed
    refused: str = field(default="", init=False)

    def __call__(self, address: str) -> bool:
        allowed = self.private or is_public(address) or self._is_listed(address)
        if not allowed:
            self.refused = address
        return allowed

    def _is_listed(self, address: str) -> bool:
        """Return whether the operator's list allows the address.

        `1` allows everything; other words are host names, addresses and networks.
        """
        listed = [word.lower().strip("[]") for word in read_list(PRIVATE_SETTING)]
        if "1" in listed or self.host.rstrip(".") in listed:
            return True
        ip = ipaddress.ip_address(address.partition("%")[0])
        return any(ip in network for network in map(_network, listed) if network is not None)


def is_public(address: str) -> bool:
    """Return whether an address is public; an IPv6 address that embeds IPv4 counts as that one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        carried = ip.ipv4_mapped or ip.sixtofour
        if carried is None and (ip in _NAT64 or ip in _COMPATIBLE):
            carried = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if carried is not None:
            return is_public(str(carried))
        if ip.is_site_local:
            return False
    return (
        ip.is_global
        and not ip.is_multicast
        and not any(ip in network for network in _INTERNAL_NETWORKS)
    )


def _network(word: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(word, strict=False)
    except ValueError:
        return None


def make_call(name: str, call: Call, reach: AddressPolicy, timeout: float) -> Answer:
    """Make the call and return its answer.

    Raise FlowError, which names the host only, for no answer or an incomplete one. An answer over
    MAX_CALL_ANSWER_BYTES is truncated and marked.
    """
    from bridge.system.boot_clock import Deadline
    from bridge.system.http_client import HttpClient

    sender = HttpClient(
        max_answer=MAX_CALL_ANSWER_BYTES,
        connections=1,
        ca_file=read_file_path(HTTP_CA_SETTING),
        peers=reach,
    )
    try:
        answer = sender.send(call, Deadline.after(timeout))
    finally:
        sender.close()
    if isinstance(answer, Answer):
        if answer.truncated and len(answer.body) < MAX_CALL_ANSWER_BYTES:
            raise FlowError(
                f"{name}: {reach.host}: HTTP {answer.status}, but the answer was incomplete or took"
                f" over {timeout:g} s"
            )
        return answer
    raise FlowError(f"{name}: {_why(answer, reach)}")


def _why(lost: NoAnswer, reach: AddressPolicy) -> str:
    if reach.refused and not lost.sent:
        return (
            f"{reach.host} has the address {reach.refused}, which is this machine or a private"
            f" network; to allow it, list the host in {PRIVATE_SETTING}"
        )
    return lost.reason + ("; the request may have arrived" if lost.sent else "")
