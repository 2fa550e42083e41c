"""Tables of sources: recent submissions, stored bytes, numbers of a day, refused submissions."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from bridge.store.tables._common import metadata

recent = Table(
    # recent submissions of forms, tickets of the console; a row has no effect after `until`
    "recent",
    metadata,
    Column("key", Text, primary_key=True),
    Column("until", Float, nullable=False),  # for a rate: when its bucket is empty again
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
    "daily_bytes",  # size of the bodies that a source stored on its newest day
    metadata,
    Column("source", Text, primary_key=True),
    Column("day", Integer, nullable=False),  # since 1970
    Column("bytes", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

network_bytes = Table(
    # what the networks of a form's senders have stored: files, and bodies on the newest day
    "network_bytes",
    metadata,
    Column("source", Text, primary_key=True),
    Column("network", Integer, primary_key=True),  # the number of its group
    Column("files", BigInteger, nullable=False),
    Column("day", Integer, nullable=False),  # since 1970
    Column("today", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

daily_events = Table(
    "daily_events",  # number of events that a source received on its newest day
    metadata,
    Column("source", Text, primary_key=True),
    Column("day", Integer, nullable=False),  # since 1970
    Column("events", BigInteger, nullable=False),
    Column("counted_to", Float, nullable=False),  # events that arrived later are not counted yet
    sqlite_with_rowid=False,
)

refused_submission = Table(
    # number of submissions that a form refused in an hour, by response code
    "refused_submission",
    metadata,
    Column("source", Text, primary_key=True),
    Column("hour", Integer, primary_key=True),  # since 1970
    Column("code", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
