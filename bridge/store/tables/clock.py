"""The table with the latest clock readings."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, Table, Text

from bridge.store.tables._common import metadata

store_clock = Table(
    # one row: the latest clock readings, and the last step of the wall clock
    "store_clock",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("boot_clock", Float),
    Column("boot_id", Text),
    Column("host", Text),
    Column("step", Float),  # seconds, forward
    Column("stepped_at", Float),  # time of the clock after the step
    sqlite_with_rowid=False,
)
