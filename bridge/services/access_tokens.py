"""Named access tokens of the admin API and the console: create, authenticate and remove them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bridge.core.audit import AuditAction
from bridge.core.errors import InvalidRequest, NotFound, StoreError
from bridge.core.scopes import (
    ID_PREFIX,
    SECRET_BYTES,
    SECRET_PREFIX,
    AccessToken,
    Scope,
    list_scopes,
    parse_scopes,
    read_scopes,
)
from bridge.services.audit import new_entry
from bridge.services.filter_values import parse_lifetime
from bridge.store.operations import tokens
from bridge.system.ids import token_id

if TYPE_CHECKING:
    from bridge.core.audit import AuditActor
    from bridge.store.db.database import Database

MAX_NAME_CHARS: Final = 100
MAX_TOKENS: Final = 1000  # of a store, with those that have ended
# Their meaning is that of an id, and of a secret.
RESERVED_PREFIXES: Final = (ID_PREFIX, SECRET_PREFIX)


def create_token(
    database: Database,
    name: str,
    scopes: str | Iterable[str],
    expires: str | None,
    *,
    now: float,
    by: AuditActor | None = None,
) -> tuple[AccessToken, str]:
    """Store a new token, and return it with its secret, which cannot be read again.

    `scopes` is a list such as `read,act`, or several words. `expires`: a lifetime such as `90d`;
    null for a token that does not expire. `by`: for the audit log, null for the user of this
    machine. Raises `InvalidRequest`.
    """
    _check_name(name)
    new = AccessToken(
        id=token_id(now),
        name=name,
        scopes=_read_scopes(scopes),
        created_at=now,
        ends_at=None if expires is None else now + _read_lifetime(expires),
    )
    if len(tokens.list_tokens(database)) >= MAX_TOKENS:
        raise InvalidRequest(
            f"a store has at most {MAX_TOKENS} tokens: remove some with `flowbridge token remove`"
        )
    secret = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    entry = new_entry(AuditAction.TOKEN_ADDED, by, _describe_token(new))
    if not tokens.add(database, new, secret, entry):
        raise InvalidRequest(
            f"a token named {name!r} already exists: choose another name, or remove that token"
        )
    return new, secret


def authenticate_token(database: Database, secret: str, now: float) -> AccessToken | None:
    """Return the token with this secret and record its use; None for an unknown or ended one.

    A full disk does not lock a person out: the use is then not recorded.
    """
    token = tokens.find_by_secret(database, secret, now)
    if token is not None and not tokens.is_use_recorded(token.used_at, now):
        with suppress(StoreError):
            tokens.record_use(database, token.id, now)
    return token


def remove_token(database: Database, text: str, by: AuditActor | None = None) -> AccessToken:
    """Remove the token with this name or id, and return it. Raises `NotFound`.

    `by`: for the audit log, null for the user of this machine.
    """
    token = tokens.find(database, text)
    entry = new_entry(AuditAction.TOKEN_REMOVED, by, _describe_token(token))
    if not tokens.remove(database, token.id, entry):
        raise NotFound(f"the token {token.name!r} is already removed")
    return token


def _describe_token(token: AccessToken) -> str:
    """Return a token for the audit log, which names it after it is removed, too."""
    return f"{token.id} {token.name} ({','.join(list_scopes(token.scopes))})"


def _check_name(name: str) -> None:
    """Raise `InvalidRequest` for a name that is not allowed; the message does not quote it, since
    it may be a secret.
    """
    if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable() or name != name.strip():
        raise InvalidRequest(
            f"the name of a token has 1 to {MAX_NAME_CHARS} printable characters, and neither"
            " begins nor ends with a space"
        )
    if name.startswith(RESERVED_PREFIXES):
        raise InvalidRequest(
            "the name of a token does not begin with"
            f" {' or '.join(RESERVED_PREFIXES)}: those are its id and its secret"
        )


def _read_scopes(scopes: str | Iterable[str]) -> frozenset[Scope]:
    try:
        return parse_scopes(scopes) if isinstance(scopes, str) else read_scopes(scopes)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None


def _read_lifetime(text: str) -> float:
    try:
        return parse_lifetime(text)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
