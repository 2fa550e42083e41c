"""Tickets of the console: a login that is valid once, and for five minutes.

`flowbridge console` prints one in a URL, so that no token is typed on the machine itself. The demo
renews its own as long as it runs.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.core.scopes import Scope, list_scopes, read_scopes
from bridge.store.operations import tickets

if TYPE_CHECKING:
    from bridge.store.db.database import Database

TICKET_PREFIX: Final = "fbc_"
TICKET_BYTES: Final = 32  # random, in 43 characters of URL-safe base64
TICKET_SECONDS: Final = 300.0
LOGIN_PATH: Final = "/console/login"
_TICKET: Final = re.compile(re.escape(TICKET_PREFIX) + "[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class UsedTicket:
    """A ticket that was just used: what it permits, and who created it."""

    scopes: frozenset[Scope]
    actor: str


def create_ticket(database: Database, scopes: Iterable[Scope], actor: str, now: float) -> str:
    """Store a ticket with these scopes and return it; `actor` creates it."""
    ticket = _make_text()
    permits = _describe(scopes, actor)
    tickets.add_ticket(database, _hash(ticket), permits, now + TICKET_SECONDS, now)
    return ticket


class RenewedTicket:
    """A ticket that can be used again and again, as long as its process renews it.

    `text` is the ticket. Call `renew` before the first use, then every second or so.
    """

    def __init__(self, database: Database, scopes: Iterable[Scope], actor: str) -> None:
        self._database = database
        self._permits = _describe(scopes, actor)
        self.text = _make_text()

    def renew(self, now: float) -> None:
        """Store the ticket again if it was used, or ends soon."""
        end = tickets.find_ticket_end(self._database, _hash(self.text))
        left = 0.0 if end is None else end - now
        if not TICKET_SECONDS / 2 < left <= TICKET_SECONDS:  # or a clock was set
            until = now + TICKET_SECONDS
            tickets.renew_ticket(self._database, _hash(self.text), self._permits, until)


def make_login_url(base: str, ticket: str) -> str:
    """Return the URL that logs in with a ticket; a browser sends no fragment in its requests."""
    return f"{base}{LOGIN_PATH}#{ticket}"


def is_ticket_valid(database: Database, text: str, now: float) -> bool:
    """Return whether a ticket can be used, without using it up."""
    if _TICKET.fullmatch(text) is None:
        return False
    end = tickets.find_ticket_end(database, _hash(text))
    return end is not None and end > now


def use_ticket(database: Database, text: str, now: float) -> UsedTicket | None:
    """Use a ticket up; None if it is unknown, used before or too old."""
    if _TICKET.fullmatch(text) is None:
        return None
    permits = tickets.use_ticket(database, _hash(text), now)
    if permits is None:
        return None
    scopes, _, actor = permits.partition(" ")
    return UsedTicket(read_scopes(scopes.split(",")), actor)


def is_ticket_open(database: Database, now: float) -> bool:
    """Return whether there is a ticket that can be used."""
    return tickets.has_tickets(database, now, TICKET_SECONDS)


def _make_text() -> str:
    return TICKET_PREFIX + secrets.token_urlsafe(TICKET_BYTES)


def _describe(scopes: Iterable[Scope], actor: str) -> str:
    return f"{','.join(list_scopes(scopes))} {actor}"


def _hash(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()
