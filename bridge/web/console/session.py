"""Sessions of the console: a row of the store, for 12 hours, or an hour without a request.

The cookie is a random secret, and says nothing by itself: neither a copy of the store nor a key
makes one. The row names the token that logged in, and every request looks it up: a session ends at
once when its token is removed or changed. The session of a ticket has its scopes in the row.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from bridge.core.errors import StoreError
from bridge.core.scopes import AccessToken, Scope, expand_scopes, list_scopes
from bridge.services.console_tickets import UsedTicket
from bridge.store.db.database import Database
from bridge.store.operations import sessions, tokens
from bridge.store.operations.sessions import SESSION_SECONDS, StoredSession
from bridge.web.admin.authentication import ADMIN_TOKEN_NAME

COOKIE: Final = "flowbridge_console"
SECURE_COOKIE: Final = f"__Secure-{COOKIE}"
SECRET_BYTES: Final = 32  # random, in 43 characters of URL-safe base64
RENEWAL_SECONDS: Final = 60.0  # between two records of the use of a session
FORM_NONCE_CHARS: Final = 32
_SECRET: Final = re.compile("[A-Za-z0-9_-]{43}")
_ADMIN: Final = "admin"
_TOKEN: Final = "token"  # noqa: S105 - a kind of session
_TICKET: Final = "ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """A session. `name`: of its token, or of who created its ticket. `key`: for rate limits.

    `secret`: the value of its cookie.
    """

    secret: str = field(repr=False)
    key: str
    name: str
    scopes: frozenset[Scope]
    began_at: float
    used_at: float

    @property
    def ends_at(self) -> float:
        """When it ends, whether it is used or not."""
        return self.began_at + SESSION_SECONDS


class SessionStore:
    """Creates, reads and ends sessions. The methods that create one return the cookie's value."""

    def __init__(self, database: Database, admin_token: str) -> None:
        self._database = database
        self._admin_token = admin_token

    def begin_for_admin(self, now: float) -> ConsoleSession:
        """Begin a session of FLOWBRIDGE_ADMIN_TOKEN."""
        secret = _make_secret()
        proof = self._prove_admin(secret)
        return self._begin(secret, _ADMIN, proof, ADMIN_TOKEN_NAME, {Scope.ADMIN}, now)

    def begin_for_token(self, token: AccessToken, now: float) -> ConsoleSession:
        """Begin a session of a named token."""
        return self._begin(_make_secret(), _TOKEN, token.id, token.name, token.scopes, now)

    def begin_for_ticket(self, ticket: UsedTicket, now: float) -> ConsoleSession:
        """Begin a session of a ticket."""
        return self._begin(_make_secret(), _TICKET, "", ticket.actor, ticket.scopes, now)

    def read(self, cookie: str | None, now: float) -> ConsoleSession | None:
        """Return the session of a cookie; None if it is not valid or has ended."""
        if cookie is None or _SECRET.fullmatch(cookie) is None:
            return None
        row = sessions.read(self._database, cookie, now)
        if row is None:
            return None
        scopes = self._find_scopes(cookie, row, now)
        return None if scopes is None else _make_session(cookie, row, scopes)

    def record_use(self, session: ConsoleSession, now: float) -> None:
        """Record that a session was used, at most once a minute. A full disk ends no request."""
        if abs(now - session.used_at) >= RENEWAL_SECONDS:
            with suppress(StoreError):
                sessions.record_use(self._database, session.secret, now)

    def end(self, session: ConsoleSession) -> None:
        """End a session: its cookie is refused from now on, also a copy of it."""
        sessions.end(self._database, session.secret)

    def sign_form(self, session: ConsoleSession) -> str:
        """Return a proof that a form of this session's pages carries, another one each time."""
        return _prove_form(session, secrets.token_hex(FORM_NONCE_CHARS // 2))

    def is_own_form(self, session: ConsoleSession, proof: str) -> bool:
        """Return whether a form carries the proof of this session."""
        expected = _prove_form(session, proof[:FORM_NONCE_CHARS])
        return hmac.compare_digest(expected.encode(), proof.encode())

    def _begin(
        self, secret: str, kind: str, of: str, name: str, scopes: Iterable[Scope], now: float
    ) -> ConsoleSession:
        row = StoredSession(
            kind=kind,
            of=of,
            name=name,
            scopes=",".join(list_scopes(scopes)),
            began_at=now,
            used_at=now,
        )
        sessions.add(self._database, secret, row)
        return _make_session(secret, row, expand_scopes(scopes))

    def _find_scopes(self, secret: str, row: StoredSession, now: float) -> frozenset[Scope] | None:
        """Return the scopes that a session has now; None where its token is removed or changed."""
        if row.kind == _ADMIN:
            is_same = hmac.compare_digest(self._prove_admin(secret).encode(), row.of.encode())
            return expand_scopes({Scope.ADMIN}) if self._admin_token and is_same else None
        if row.kind == _TOKEN:
            token = tokens.read(self._database, row.of, now)
            return None if token is None else token.scopes
        return tokens.to_scopes(row.scopes) if row.kind == _TICKET else None

    def _prove_admin(self, secret: str) -> str:
        """Return a proof of FLOWBRIDGE_ADMIN_TOKEN that only a session's secret can check."""
        text = f"console admin token {self._admin_token}".encode()
        return hmac.new(secret.encode(), text, sha256).hexdigest()


def _make_secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def _make_session(secret: str, row: StoredSession, scopes: frozenset[Scope]) -> ConsoleSession:
    """Return a session of a row. Sessions of one token share their rate limits."""
    keys = {_ADMIN: ADMIN_TOKEN_NAME, _TOKEN: row.of}
    return ConsoleSession(
        secret=secret,
        key=keys.get(row.kind) or tokens.hash_secret(secret),
        name=row.name,
        scopes=scopes,
        began_at=row.began_at,
        used_at=row.used_at,
    )


def _prove_form(session: ConsoleSession, nonce: str) -> str:
    text = f"console form {nonce}".encode()
    return nonce + hmac.new(session.secret.encode(), text, sha256).hexdigest()
