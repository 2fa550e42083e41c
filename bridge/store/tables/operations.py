"""Tables of operations by users, and of the items in each."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from bridge.store.tables._common import SEQ, metadata, partial

act = Table(
    "act",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("command", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("asked", Text, nullable=False),
    Column("chosen", Integer),  # null until all its items are stored
    Column("done", Integer, nullable=False, server_default="0"),
    Column("refused", Integer, nullable=False, server_default="0"),
    Column("worked_at", Float),
    Column("finished_at", Float),
    Column("resumed", Text),
)

act_item = Table(
    "act_item",
    metadata,
    Column("act", BigInteger, primary_key=True, autoincrement=False),  # seq of the act
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("item_id", Text, nullable=False),
    Column("outcome", Text),  # null until it was processed
    Column("problem", Text),
    Column("was", Text),
    Column("became", Text),
    Column("made", Text),
    Column("at", Float),
    Index("ix_act_item_item", "item_id"),
    partial("ix_act_item_open", "act", "number", where="outcome IS NULL"),
    sqlite_with_rowid=False,
)
