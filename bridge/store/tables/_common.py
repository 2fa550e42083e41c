"""Shared parts of the table definitions."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, MetaData, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
SEQ = BigInteger().with_variant(Integer, "sqlite")


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index on the rows that match `where`; queries must contain that condition."""
    # PostgreSQL's condition is the same; migrations/env.py sets it, because setting it here would
    # load that dialect in every process.
    return Index(name, *columns, unique=unique, sqlite_where=text(where))
