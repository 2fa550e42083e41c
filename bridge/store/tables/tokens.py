"""The tables of named access tokens and of sessions of the console."""

from __future__ import annotations

from sqlalchemy import Column, Float, Table, Text

from bridge.store.tables._common import metadata

token = Table(
    "token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("hash", Text, nullable=False, unique=True),  # SHA-256 of the secret, which is random
    Column("scopes", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("used_at", Float),
    Column("ends_at", Float),
    sqlite_with_rowid=False,
)

console_session = Table(
    "console_session",
    metadata,
    Column("hash", Text, primary_key=True),  # SHA-256 of the cookie's value, which is random
    Column("kind", Text, nullable=False),  # of its login: `admin`, `token` or `ticket`
    Column(
        "of", Text, nullable=False
    ),  # id of the token, proof of FLOWBRIDGE_ADMIN_TOKEN, or empty
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("began_at", Float, nullable=False),
    Column("used_at", Float, nullable=False),
    sqlite_with_rowid=False,
)
