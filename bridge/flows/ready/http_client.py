"""HTTP out of a flow: one call, no redirect followed, and only to addresses it may reach."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

from bridge.core.http_messages import Answer, Call, Lost
from bridge.flows.function import FlowError
from bridge.flows.ready.environment import readable_file, words

PRIVATE: Final = "FLOWBRIDGE_HTTP_REQUEST_PRIVATE"
CA: Final = "FLOWBRIDGE_HTTP_REQUEST_CA"
MAX_ANSWER: Final = 256 * 1024  # bytes
URL_LENGTH: Final = 8190

_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]+\]")
_KEPT: Final = "/%:@!$&'()*+,;=~-._"  # of what stands in a path or query already
#: Addresses that ipaddress calls global although nobody's site is there: Azure's own services,
#: NAT64 and SRv6 within a network.
_INNER: Final = tuple(
    map(ipaddress.ip_network, ("168.63.129.16/32", "64:ff9b:1::/48", "5f00::/16", "2001::/32"))
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.ip_network("::/96")


def parse_url(name: str, url: str) -> SplitResult:
    """Return an http or https URL in parts, ASCII only and without a fragment; FlowError says what
    is wrong with it, never quoting it.

    Its host is what will be called: a name or an address of plain characters, without a user name,
    which some readers take for the host.
    """
    if len(url) > URL_LENGTH or re.search(r"[\x00-\x20\x7f-\xa0\\]", url):
        raise FlowError(
            f"{name}: a URL has at most {URL_LENGTH} characters, and no blank, backslash or control"
            " character: write %20 …"
        )
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
        host = f"[{host}]" if ":" in host else host.encode("idna").decode() if host else ""
    except (ValueError, UnicodeError):
        raise FlowError(f"{name}: it is no URL that can be called") from None
    if parts.scheme not in ("http", "https"):
        raise FlowError(f"{name}: a URL that begins with https:// or http:// is wanted")
    if "@" in parts.netloc:
        raise FlowError(
            f"{name}: a user name or password cannot stand in the URL; put them into a header"
        )
    if not _HOST.fullmatch(host):
        raise FlowError(f"{name}: the URL has no host that can be called")
    netloc = host if port is None else f"{host}:{port}"
    return SplitResult(
        parts.scheme,
        netloc,
        quote(parts.path or "/", safe=_KEPT),
        quote(parts.query, safe=_KEPT + "?"),
        "",
    )


@dataclass(slots=True)
class Reach:
    """Says of each address whether a call to `host` may connect to it; `refused` is the last that
    it may not.
    """

    host: str
    private: bool = False  #: any address will do
    refused: str = field(default="", init=False)

    def __call__(self, address: str) -> bool:
        allowed = self.private or is_public(address) or self._is_listed(address)
        if not allowed:
            self.refused = address
        return allowed

    def _is_listed(self, address: str) -> bool:
        """Tell whether the operator lists it: `1` is everything, all else a host name, an address
        or a network.
        """
        listed = [word.lower().strip("[]") for word in words(PRIVATE)]
        if "1" in listed or self.host.rstrip(".") in listed:
            return True
        ip = ipaddress.ip_address(address.partition("%")[0])
        return any(ip in network for network in map(_network, listed) if network is not None)


def is_public(address: str) -> bool:
    """Tell whether an address is out on the internet; one that carries an IPv4 address is what that
    is.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        carried = ip.ipv4_mapped or ip.sixtofour
        if carried is None and (ip in _NAT64 or ip in _COMPATIBLE):
            carried = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if carried is not None:
            return is_public(str(carried))
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _INNER)


def _network(word: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(word, strict=False)
    except ValueError:
        return None


def exchange(name: str, call: Call, reach: Reach, timeout: float) -> Answer:
    """Make the call and return its answer; FlowError, which names the host only, where there is
    none or it is not whole.

    An answer over MAX_ANSWER is returned cut, and says so.
    """
    from bridge.system.http_client import Sender

    sender = Sender(max_answer=MAX_ANSWER, connections=1, ca_file=readable_file(CA), peers=reach)
    try:
        answer = sender.send(call, timeout)
    finally:
        sender.close()
    if isinstance(answer, Answer):
        if answer.truncated and len(answer.body) < MAX_ANSWER:
            raise FlowError(
                f"{name}: {reach.host}: HTTP {answer.status}, but the answer broke off, or took"
                f" over {timeout:g} s"
            )
        return answer
    raise FlowError(f"{name}: {_why(answer, reach)}")


def _why(lost: Lost, reach: Reach) -> str:
    if reach.refused and not lost.sent:
        return (
            f"{reach.host} is at {reach.refused}, which belongs to this machine or to a network"
            f" that is not the internet; to allow it, list the host in {PRIVATE}"
        )
    return lost.reason + ("; the request may have arrived" if lost.sent else "")
