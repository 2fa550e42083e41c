"""All tables of the store. `migrations/` creates them; a test compares the two.

Every index for frequent queries is partial, so claims, deduplication and run tracking cost the same
with a million finished deliveries as with ten. `seq` is the order of commits (SQLite's rowid, which
costs nothing there). PostgreSQL has `BYTE_INDEXES` too, in the order of the bytes of an id, to find
ids by their beginning: its other indexes are in the order of the database's locale, which need not
keep such ids together.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)

import bridge
from bridge.core.advice import name_command
from bridge.store.tables._common import SEQ, metadata, partial
from bridge.store.tables.audit import audit
from bridge.store.tables.clock import store_clock
from bridge.store.tables.deliveries import attempt, delivery
from bridge.store.tables.forms import (
    daily_bytes,
    daily_events,
    form_files,
    network_bytes,
    recent,
    refused_submission,
)
from bridge.store.tables.local_platform import local_file, local_flow, local_run
from bridge.store.tables.operations import act, act_item, run_request
from bridge.store.tables.tokens import console_session, token
from bridge.store.tables.trends import trend, trend_node

__all__ = [
    "BYTE_INDEXES",
    "HEAD",
    "act",
    "act_item",
    "alert",
    "attempt",
    "audit",
    "circuit",
    "config",
    "console_session",
    "daily_bytes",
    "daily_events",
    "deleted_id",
    "delivery",
    "event",
    "expected",
    "form_files",
    "hold",
    "learned",
    "local_file",
    "local_flow",
    "local_run",
    "metadata",
    "network_bytes",
    "pace",
    "recent",
    "refused_submission",
    "reject",
    "run_request",
    "store_clock",
    "token",
    "trend",
    "trend_node",
    "worker",
]
# The newest migration, as a constant: a start without migrations need not import Alembic.
HEAD = "0036"
#: The revision of each release, and its version.
RELEASED_SCHEMAS: Final = {"0022": "0.1.0", "0026": "0.2.0"}
BYTE_INDEXES = ("ix_event_id_bytes", "ix_delivery_id_bytes", "ix_delivery_run_bytes")


reject = Table(
    "reject",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("query_string", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("cut", Boolean, nullable=False),
    Column("client", Text),
    Column("readmitted_at", Float),
    Column("event_ids", Text),
    Index("ix_reject_source", "source", "seq"),
    partial("ix_reject_readmitted", "readmitted_at", where="readmitted_at IS NOT NULL"),
)

learned = Table(
    "learned",
    metadata,
    Column("source", Text, primary_key=True),
    Column("until", Float),  # it may receive a secret until then
    Column("sealed", Text),
    Column("learned_at", Float),
    sqlite_with_rowid=False,
)

config = Table(
    "config",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("canonical", Text, nullable=False),
    Column("seen_at", Float, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("type", Text),
    Column("provider_id", Text),
    Column("received_at", Float, nullable=False),
    Column("config_hash", Text, nullable=False),
    Column("problem", Text),
    Column("same_body_as", Text),
    Column("duplicates", Integer, nullable=False, server_default="0"),
    Column("body_sha256", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("query_string", Text, nullable=False),
    Column("sender_retry", Integer),
    Column("files", Text),
    Column("spam", Text),
    Column("client", Text),
    # Last, so that reading the other columns never reads its overflow pages.
    Column("body", LargeBinary, nullable=False),
    # for which group of networks its files are counted; read only where they are deleted
    Column("network", Integer),
    partial(
        "ix_event_dedup", "source", "provider_id", where="provider_id IS NOT NULL", unique=True
    ),
    Index("ix_event_body", "source", "body_sha256", "seq"),
    Index("ix_event_age", "source", "received_at"),
    partial("ix_event_spam", "source", "seq", where="spam IS NOT NULL"),
    partial("ix_event_files", "seq", where="files IS NOT NULL"),
)

deleted_id = Table(
    # provider ids of deleted events: a repeat of one is a duplicate until `expires_at`
    "deleted_id",
    metadata,
    Column("source", Text, primary_key=True),
    Column("provider_id", Text, primary_key=True),  # a keyed hash if the event was erased
    Column("event_id", Text, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Index("ix_deleted_id_expires", "expires_at"),
    sqlite_with_rowid=False,
)

alert = Table(
    "alert",
    metadata,
    Column("key", Text, primary_key=True),
    Column("severity", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("do", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Column("raised_at", Float),
    Column("told_at", Float),
    Column("told", Integer, nullable=False),
    Column("resolved_at", Float),
    sqlite_with_rowid=False,
)

expected = Table(
    "expected",  # sources with `expect`, and since when
    metadata,
    Column("source", Text, primary_key=True),
    Column("since", Float, nullable=False),
    sqlite_with_rowid=False,
)


pace = Table(
    "pace",
    metadata,
    Column("route", Text, primary_key=True),
    Column("next_at", Float, nullable=False),  # earliest next start
    # seconds between two starts; in rows of earlier versions the longest
    Column("start_interval", Float, nullable=False, server_default="86400"),
    Column("day", Integer, nullable=False),  # days since 1970 (UTC)
    Column("starts", Integer, nullable=False),  # on that day
    sqlite_with_rowid=False,
)

hold = Table(
    "hold",
    metadata,
    Column("what", Text, primary_key=True),  # "starts": no flow is started while this row exists
    Column("since", Float, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)

circuit = Table(
    "circuit",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("open_for", Float, nullable=False),
    Column("open_until", Float),
    Column("probe_until", Float),
    Column("allowance", Integer),
    Column("raise_at", Float, nullable=False),
    Column("raise_for", Float, nullable=False),
    Column("not_before", Float, nullable=False),
    # seconds of the Retry-After behind `not_before`; in rows of earlier versions the longest
    Column("retry_after", Float, nullable=False, server_default="3600"),
    Column("reason", Text),
    Column("changed_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

worker = Table(
    "worker",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
)


def describe_other_schema(revision: str | None) -> str:
    """Return which schema a database has that is not this version's, and how to fix it."""
    ours = f"flowbridge {bridge.__version__}"
    upgrade = name_command("db upgrade")
    if revision is None:
        return f"no schema, and {ours} needs {HEAD}: {upgrade}"
    if revision > HEAD:
        return f"schema {revision}, which is newer than {HEAD} of {ours}: upgrade flowbridge"
    release = RELEASED_SCHEMAS.get(revision)
    theirs = f" of flowbridge {release}" if release else ""
    return f"schema {revision}{theirs}, and {ours} needs {HEAD}: {upgrade}"
