"""Named access tokens: only the hash of a secret is stored.

Every request looks its token up, and no process caches one: a token begins and ends at once in all
processes. A secret has 256 random bits, so a plain SHA-256 cannot be reversed, and the time of a
lookup by hash reveals nothing about stored secrets.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, or_, select, update

from bridge.core.audit import AuditEntry
from bridge.core.errors import NotFound
from bridge.core.scopes import (
    ID_PREFIX,
    SECRET_PREFIX,
    AccessToken,
    Scope,
    expand_scopes,
    is_token_secret,
    list_scopes,
)
from bridge.core.typos import find_typo
from bridge.store import audit
from bridge.store.db.database import Database
from bridge.store.db.id_prefix import find_row
from bridge.store.db.upsert import dialect_insert
from bridge.store.tables.schema import token

USE_RECORD_SECONDS: Final = 60.0  # between two records of the use of one token
_SCOPES: Final = {scope.value: scope for scope in Scope}


def add(database: Database, new: AccessToken, secret: str, entry: AuditEntry | None = None) -> bool:
    """Store a token; return False where its name is taken. `entry` is recorded with it."""
    values = {
        "id": new.id,
        "name": new.name,
        "hash": hash_secret(secret),
        "scopes": ",".join(list_scopes(new.scopes)),
        "created_at": new.created_at,
        "used_at": new.used_at,
        "ends_at": new.ends_at,
    }
    insert = dialect_insert(database.engine.dialect.name)
    statement = insert(token).values(values).on_conflict_do_nothing().returning(token.c.id)

    def work(connection: Connection) -> bool:
        is_new = connection.execute(statement).first() is not None
        if is_new and entry is not None:
            audit.add(connection, entry)
        return is_new

    return database.write(work)


def list_tokens(database: Database) -> list[AccessToken]:
    """Return all tokens, the oldest first, with those that have ended."""
    with database.read() as connection:
        rows = connection.execute(select(token).order_by(token.c.created_at, token.c.id)).all()
    return [_to_token(row) for row in rows]


def find(database: Database, text: str) -> AccessToken:
    """Return the token with this name, or with this id or a unique part of it.

    Raises `NotFound`.
    """
    if text.startswith(SECRET_PREFIX):
        raise NotFound(
            "this is the secret of a token: pass its name or its id (flowbridge token list)"
        )
    if not text.isprintable():  # no name and no id; a driver would refuse some of these
        raise NotFound(f"there is no token {text!r}")
    with database.read() as connection:
        row = connection.execute(select(token).where(token.c.name == text)).one_or_none()
    if row is not None:
        return _to_token(row)
    near = find_typo(text, [candidate.name for candidate in list_tokens(database)])
    hint = f"; did you mean {near!r}?" if near is not None else ""
    missing = f"there is no token {text!r}{hint}"
    if ID_PREFIX.startswith(text):  # the beginning of every id
        raise NotFound(missing)
    return _to_token(find_row(database, token, text, missing))


def remove(database: Database, id_: str, entry: AuditEntry | None = None) -> bool:
    """Remove the token with this id; return False where there is none. `entry` is recorded with
    it.
    """
    statement = delete(token).where(token.c.id == id_)

    def work(connection: Connection) -> bool:
        is_gone = connection.execute(statement).rowcount > 0
        if is_gone and entry is not None:
            audit.add(connection, entry)
        return is_gone

    return database.write(work)


def read(database: Database, id_: str, now: float) -> AccessToken | None:
    """Return the token with this id; None where there is none, or where it has ended."""
    return _read_valid(database, token.c.id == id_, now)


def has_any(database: Database) -> bool:
    """Return whether there is a token."""
    with database.read() as connection:
        return connection.execute(select(token.c.id).limit(1)).first() is not None


def find_by_secret(database: Database, secret: str, now: float) -> AccessToken | None:
    """Return the token with this secret; None where there is none, or where it has ended."""
    if not is_token_secret(secret):
        return None
    return _read_valid(database, token.c.hash == hash_secret(secret), now)


def is_use_recorded(used_at: float | None, now: float) -> bool:
    """Return whether a recorded use is recent enough to stay, also by a clock that was set back."""
    return used_at is not None and abs(now - used_at) < USE_RECORD_SECONDS


def record_use(database: Database, id_: str, now: float) -> bool:
    """Record that a token was used, at most once a minute; return whether it was recorded now."""
    used_at = token.c.used_at
    is_due = or_(
        used_at.is_(None), used_at <= now - USE_RECORD_SECONDS, used_at >= now + USE_RECORD_SECONDS
    )
    statement = update(token).where(token.c.id == id_, is_due).values(used_at=now)
    return bool(database.write(lambda connection: connection.execute(statement).rowcount))


def hash_secret(secret: str) -> str:
    """Return the stored hash of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def to_scopes(text: str) -> frozenset[Scope]:
    """Return the scopes of a row; one of a later version permits nothing here."""
    return expand_scopes(_SCOPES[word] for word in text.split(",") if word in _SCOPES)


def _read_valid(database: Database, condition: Any, now: float) -> AccessToken | None:
    with database.read() as connection:
        row = connection.execute(select(token).where(condition)).one_or_none()
    access_token = None if row is None else _to_token(row)
    return access_token if access_token is not None and access_token.is_valid(now) else None


def _to_token(row: Row[Any]) -> AccessToken:
    return AccessToken(
        id=row.id,
        name=row.name,
        scopes=to_scopes(row.scopes),
        created_at=row.created_at,
        ends_at=row.ends_at,
        used_at=row.used_at,
    )
