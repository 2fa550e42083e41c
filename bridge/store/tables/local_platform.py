"""Tables of the local platform: runs, flows and files."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Table, Text

from bridge.store.tables._common import SEQ, metadata, partial

local_run = Table(
    "local_run",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("saved_item_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("state", Text, nullable=False),  # a LocalState
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("lease", Text),
    Column("lease_until", Float),
    Column("inputs", Text, nullable=False),
    Column("outputs", Text),
    Column("log", Text),
    Column("body", Text),
    partial(
        "ix_local_run_key", "idempotency_key", where="idempotency_key IS NOT NULL", unique=True
    ),
    partial(
        "ix_local_run_open", "state", "seq", where="state IN ('QUEUED', 'RUNNING', 'TERMINATING')"
    ),
    Index("ix_local_run_flow", "saved_item_id", "seq"),
)


local_flow = Table(
    "local_flow",
    metadata,
    Column("id", Text, primary_key=True),
    Column("workbook", Text, nullable=False),
    Column("described", Text, nullable=False),  # a LocalFlow as JSON
    Column("created_at", Float, nullable=False),
    sqlite_with_rowid=False,
)


local_file = Table(
    "local_file",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),  # empty: uploaded
    Column("name", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_local_file_blob", "sha256"),
    sqlite_with_rowid=False,
)
