"""Tables of operations by users, of the items in each, and of runs started by hand."""

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
    Column("driver", Text),  # null for a command, which does its own items
    Column("token", Text),  # id of the token that began it
    Column("request_key", Text),  # the Idempotency-Key of the request
    Column("request_digest", Text),
    Column("counted", Text),  # the count that a person agrees to
    Column("proposed_until", Float),  # null for an operation that needs no agreement
    Column("agreed_at", Float),
    Column("stopped_at", Float),
    partial("ix_act_request", "token", "request_key", where="request_key IS NOT NULL", unique=True),
    partial("ix_act_driver", "seq", where="driver IS NOT NULL AND finished_at IS NULL"),
    partial("ix_act_unfinished", "seq", where="finished_at IS NULL"),
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

run_request = Table(
    "run_request",
    metadata,
    Column("token", Text, primary_key=True),  # id of the token that sent it
    Column("key", Text, primary_key=True),  # its Idempotency-Key
    Column("digest", Text, nullable=False),  # SHA-256 of its body
    Column("at", Float, nullable=False),
    Column("answer", Text),  # null until the platform answered
    sqlite_with_rowid=False,
)
