"""The table of the clocks by which the store goes."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, Table, Text

from bridge.store.tables._common import metadata

store_clock = Table(
    # one row: the clocks by which the store has gone lately, and when the wall clock was stepped
    # last
    "store_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("boot_clock", Float),
    Column("boot_id", Text),
    Column("host", Text),
    Column("step", Float),  # seconds, forward
    Column("stepped_at", Float),  # by the clock after the step
    sqlite_with_rowid=False,
)
