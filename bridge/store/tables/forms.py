"""The tables of what forms and other public sources have beside their events: what came lately, and
how much is stored of them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from bridge.store.tables._common import metadata

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

daily_bytes = Table(
    "daily_bytes",  # of the bodies that were stored of a source on its newest day
    metadata,
    Column("source", Text, primary_key=True),
    Column("day", Integer, nullable=False),  # since 1970
    Column("bytes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

refused_submission = Table(
    # how many submissions a form refused in an hour, by the code of the answer
    "refused_submission",
    metadata,
    Column("source", Text, primary_key=True),
    Column("hour", Integer, primary_key=True),  # since 1970
    Column("code", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
