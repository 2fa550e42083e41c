"""Sessions of the console: a signed cookie, for 12 hours, or an hour without a request.

The cookie names the token that logged in, and every request looks it up: a session ends at once
when its token is removed or changed. The session of a ticket has its scopes in the cookie.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from itsdangerous import BadData, URLSafeSerializer

from bridge.core.access_token import AccessToken
from bridge.core.scopes import Scope, expand_scopes, list_scopes
from bridge.services.console_tickets import UsedTicket
from bridge.store.db.database import Database
from bridge.store.operations import tickets, tokens
from bridge.web.admin.authentication import ADMIN_TOKEN_NAME

COOKIE: Final = "flowbridge_console"
SECURE_COOKIE: Final = f"__Secure-{COOKIE}"
MAX_COOKIE_CHARS: Final = 2000
SESSION_SECONDS: Final = 12 * 3600.0
IDLE_SECONDS: Final = 3600.0
RENEWAL_SECONDS: Final = 60.0  # between two cookies that record the use of a session
FORM_NONCE_CHARS: Final = 32
MAX_SKEW_SECONDS: Final = 60.0  # of the clocks of two machines
_ADMIN: Final = "admin"
_TOKEN: Final = "token"  # noqa: S105 - a kind of session
_TICKET: Final = "ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSession:
    """A session. `name`: of its token, or of who created its ticket. `key`: for rate limits.

    `of`: the id of its token, or a proof of FLOWBRIDGE_ADMIN_TOKEN.
    """

    id: str
    kind: str
    of: str
    name: str
    scopes: frozenset[Scope]
    began_at: float
    used_at: float

    @property
    def key(self) -> str:
        """The key of its rate limits: sessions of one token share them."""
        return {_ADMIN: ADMIN_TOKEN_NAME, _TOKEN: self.of}.get(self.kind, self.id)

    @property
    def ends_at(self) -> float:
        """When it ends, whether it is used or not."""
        return self.began_at + SESSION_SECONDS


class SessionStore:
    """Creates, reads and ends sessions."""

    def __init__(self, database: Database, admin_token: str, secret_key: str) -> None:
        self._database = database
        self._admin_token = admin_token
        self._key = secret_key.encode()
        self._serializer = URLSafeSerializer(
            secret_key,
            salt="flowbridge console session",
            signer_kwargs={"key_derivation": "hmac", "digest_method": sha256},
        )

    def begin_for_admin(self, now: float) -> ConsoleSession:
        """Return a new session of FLOWBRIDGE_ADMIN_TOKEN."""
        return _begin(_ADMIN, self._prove_admin(), ADMIN_TOKEN_NAME, {Scope.ADMIN}, now)

    def begin_for_token(self, token: AccessToken, now: float) -> ConsoleSession:
        """Return a new session of a named token."""
        return _begin(_TOKEN, token.id, token.name, token.scopes, now)

    def begin_for_ticket(self, ticket: UsedTicket, now: float) -> ConsoleSession:
        """Return a new session of a ticket."""
        return _begin(_TICKET, "", ticket.actor, ticket.scopes, now)

    def write(self, session: ConsoleSession) -> str:
        """Return the value of the cookie."""
        value = {
            "id": session.id,
            "kind": session.kind,
            "of": session.of,
            "name": session.name,
            "scopes": list_scopes(session.scopes),
            "began": session.began_at,
            "used": session.used_at,
        }
        return str(self._serializer.dumps(value))

    def read(self, cookie: str | None, now: float) -> ConsoleSession | None:
        """Return the session of a cookie, used now; None if it is not valid or has ended."""
        if not cookie or len(cookie) > MAX_COOKIE_CHARS:
            return None
        try:
            found = _parse(self._serializer.loads(cookie))
        except (BadData, KeyError, TypeError, ValueError):
            return None
        if not -MAX_SKEW_SECONDS <= now - found.used_at < IDLE_SECONDS or now >= found.ends_at:
            return None
        if tickets.is_session_ended(self._database, found.id):
            return None
        scopes = self._find_scopes(found, now)
        return None if scopes is None else replace(found, scopes=scopes)

    def end(self, session: ConsoleSession, now: float) -> None:
        """End a session: its cookie is refused from now on, also a copy of it."""
        tickets.end_session(self._database, session.id, session.ends_at, now)

    def sign_form(self, session: ConsoleSession) -> str:
        """Return a proof that a form of this session's pages carries, another one each time."""
        return self._prove_form(session, secrets.token_hex(FORM_NONCE_CHARS // 2))

    def is_own_form(self, session: ConsoleSession, proof: str) -> bool:
        """Return whether a form carries the proof of this session."""
        expected = self._prove_form(session, proof[:FORM_NONCE_CHARS])
        return hmac.compare_digest(expected.encode(), proof.encode())

    def _prove_form(self, session: ConsoleSession, nonce: str) -> str:
        text = f"console form {session.id} {nonce}".encode()
        return nonce + hmac.new(self._key, text, sha256).hexdigest()

    def _find_scopes(self, session: ConsoleSession, now: float) -> frozenset[Scope] | None:
        """Return the scopes that a session has now; None where its token is removed or changed."""
        if session.kind == _ADMIN:
            is_same = hmac.compare_digest(self._prove_admin().encode(), session.of.encode())
            return session.scopes if self._admin_token and is_same else None
        if session.kind == _TOKEN:
            token = tokens.read(self._database, session.of, now)
            return None if token is None else token.scopes
        return session.scopes if session.kind == _TICKET else None

    def _prove_admin(self) -> str:
        text = f"console admin token {self._admin_token}".encode()
        return hmac.new(self._key, text, sha256).hexdigest()[:32]


def _begin(
    kind: str, of: str, name: str, scopes: frozenset[Scope] | set[Scope], now: float
) -> ConsoleSession:
    return ConsoleSession(
        id=secrets.token_urlsafe(16),
        kind=kind,
        of=of,
        name=name,
        scopes=expand_scopes(scopes),
        began_at=now,
        used_at=now,
    )


def _parse(value: Mapping[str, Any]) -> ConsoleSession:
    return ConsoleSession(
        id=str(value["id"]),
        kind=str(value["kind"]),
        of=str(value["of"]),
        name=str(value["name"]),
        scopes=expand_scopes(Scope(word) for word in value["scopes"]),
        began_at=float(value["began"]),
        used_at=float(value["used"]),
    )
