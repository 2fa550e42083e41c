"""Mail addresses of a route's inputs. Pure.

One text is one address: if a text could hold a list, a sender who controls part of it (a name in a
form) could add recipients.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from bridge.core.model import JSON
from bridge.flows.errors import FlowError
from bridge.flows.ready.inputs import one_line, shorten

MAX_RECIPIENTS: Final = 50  # of a mail, all together

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_USER: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_DOMAIN: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_NAMED: Final = re.compile(r"([^<>]*)<([^<>]*)>")
_SPECIAL: Final = re.compile(r'[<>@,;:"()\[\]\\=?]+')


@dataclass(frozen=True, slots=True)
class Address:
    """One mail address, in ASCII except for the display name.

    The name is for people only, and has no character with a meaning in a header.
    """

    display_name: str
    user: str
    domain: str

    @property
    def spec(self) -> str:
        """The normalized address, for comparison: domains are case-insensitive."""
        return f"{self.user}@{self.domain.lower()}"


def parse_address(name: str, value: JSON) -> Address:
    """Parse `ada@example.com` or `Ada Lovelace <ada@example.com>`.

    `name` is the input's name, for the error.
    """
    text = one_line(name, value).strip()
    named = _NAMED.fullmatch(text)
    display, bare = (named[1], named[2].strip()) if named else ("", text)
    user, _, domain = bare.rpartition("@")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            domain = ""
    if (
        not _USER.fullmatch(user)
        or not _DOMAIN.fullmatch(domain)
        or len(user) > 64
        or len(domain) > 253
    ):
        more = (
            "; write several as a list: [ada@example.com, bob@example.com]"
            if bare.count("@") > 1
            else ""
        )
        raise FlowError(
            f"{name}: {shorten(text)} is not a mail address; use ada@example.com or Ada"
            f" <ada@example.com>{more}"
        )
    return Address(display_name_of(display), user, domain)


def parse_addresses(name: str, value: JSON) -> list[Address]:
    """Parse one address, or a list of them; none for null or an empty text."""
    listed = value if isinstance(value, list) else [] if value is None or value == "" else [value]
    if len(listed) > MAX_RECIPIENTS:
        raise FlowError(f"{name}: {len(listed)} addresses; at most {MAX_RECIPIENTS} are allowed")
    return [parse_address(name, one) for one in listed]


def display_name_of(text: str) -> str:
    """Return the name without characters that have a meaning in a header."""
    plain = "".join(
        " " if unicodedata.category(char).startswith("C") else char
        for char in _SPECIAL.sub(" ", text)
    )
    return " ".join(plain.split())[:100].rstrip()


def check_allowed(addresses: list[Address], allowed: list[str], setting: str) -> None:
    """Raise FlowError for an address that is not in `allowed`.

    `allowed` holds addresses, and domains as `@example.com`; empty allows any.
    """
    if not allowed:
        return
    listed = {word.removeprefix("*").lower() for word in allowed}
    if wrong := next((word for word in sorted(listed) if "@" not in word), None):
        raise FlowError(
            f"{setting}: {shorten(wrong)} is neither an address nor a domain such as @example.com"
        )
    for address in addresses:
        if not listed & {address.spec.lower(), f"@{address.domain.lower()}"}:
            raise FlowError(f"{address.spec}: {setting} does not allow mail to it")
