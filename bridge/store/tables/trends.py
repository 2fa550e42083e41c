"""Tables of trends: numbers per minute, and the counters that they are the growth of."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from bridge.store.tables._common import metadata

trend = Table(
    "trend",
    metadata,
    Column("key", Text, primary_key=True),  # the name of the trend
    Column("at", BigInteger, primary_key=True),  # the beginning of the minute, since 1970
    # the data folder whose counters grew; empty for numbers of the store, and after a day
    Column("node", Text, primary_key=True),
    Column("value", Text, nullable=False),  # label values and numbers, as JSON
    Index("ix_trend_at", "at"),
    sqlite_with_rowid=False,
)

trend_node = Table(
    "trend_node",
    metadata,
    Column("node", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),  # the minute of the last rows in `trend`
    Column("counters", Text, nullable=False),  # their values then, by trend, as JSON
    sqlite_with_rowid=False,
)
