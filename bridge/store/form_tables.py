"""The tables of what forms remember beside their events: what came lately, and how much their files come to."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Table, Text

from bridge.store.schema import metadata

recent = Table(
    "recent",  # what forms remember for a while: a row means nothing after `until`
    metadata,
    Column("key", Text, primary_key=True),
    Column("until", Float, nullable=False),  # of a rate: when the bucket is empty again
    Column("digest", Text),
    Column("event_id", Text),
    Index("ix_recent_until", "until"),
    sqlite_with_rowid=False,
)

form_files = Table(
    "form_files",
    metadata,
    Column("source", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
