"""The table of named access tokens."""

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
