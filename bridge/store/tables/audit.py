"""The table of the audit log."""

from __future__ import annotations

from sqlalchemy import Column, Float, Table, Text

from bridge.store.tables._common import SEQ, metadata

audit = Table(
    "audit",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text),
    Column("client", Text),  # the address of the client; null for a command
)
