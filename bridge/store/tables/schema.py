"""All tables of the store. `migrations/` creates them; a test compares the two.

Every index for frequent queries is partial, so claims, deduplication and run tracking cost the same
with a million finished deliveries as with ten. `seq` is the order of commits (SQLite's rowid, which
costs nothing there). PostgreSQL has `BYTE_INDEXES` too, in the order of the bytes of an id, to find
ids by their beginning: its other indexes are in the order of the database's locale, which need not
keep such ids together.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, Table, Text

import bridge
from bridge.core.advice import name_command
from bridge.store.tables._common import SEQ, metadata, partial
from bridge.store.tables.deliveries import attempt, delivery

audit = Table(
    "audit",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text),
    Column("client", Text),  # the address of the client; null for a command
)


token = Table(
    "token",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("hash", Text, nullable=False, unique=True),  # SHA-256 of the secret, which is random
    Column("scopes", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("used_at", Float),
    Column("ends_at", Float),
    sqlite_with_rowid=False,
)

console_session = Table(
    "console_session",
    metadata,
    Column("hash", Text, primary_key=True),  # SHA-256 of the cookie's value, which is random
    Column("kind", Text, nullable=False),  # of its login: `admin`, `token` or `ticket`
    Column(
        "of", Text, nullable=False
    ),  # id of the token, proof of FLOWBRIDGE_ADMIN_TOKEN, or empty
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("began_at", Float, nullable=False),
    Column("used_at", Float, nullable=False),
    sqlite_with_rowid=False,
)


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
#: Of the revisions up to this one, only those of releases are left.
LAST_MERGED = "0026"
#: The last commit that upgrades the others.
COMMIT_OF_OTHERS = "175cf729"
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


def is_upgradable(revision: str | None) -> bool:
    """Return whether this version upgrades a database with a revision, or without a schema."""
    return revision is None or revision in RELEASED_SCHEMAS or LAST_MERGED < revision <= HEAD


def describe_other_schema(revision: str | None) -> str:
    """Return which schema a database has that is not this version's, and how to fix it."""
    ours = f"flowbridge {bridge.__version__}"
    upgrade = name_command("db upgrade")
    if revision is None:
        return f"no schema, and {ours} needs {HEAD}: {upgrade}"
    if revision > HEAD:
        return f"schema {revision}, which is newer than {HEAD} of {ours}: upgrade flowbridge"
    if not is_upgradable(revision):
        return (
            f"schema {revision}, which no release had, and {ours} needs {HEAD}: first"
            f" `git checkout {COMMIT_OF_OTHERS}` and {upgrade}, then upgrade with this version"
        )
    release = RELEASED_SCHEMAS.get(revision)
    theirs = f" of flowbridge {release}" if release else ""
    return f"schema {revision}{theirs}, and {ours} needs {HEAD}: {upgrade}"
