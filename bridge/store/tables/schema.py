"""The tables of the store. `migrations/` builds them; a test holds the two to each other.

Every index that a hot path walks is partial, so that claim, dedup and tracking cost the same with
ten deliveries as with a million finished ones behind them. `seq` is the order of commit (SQLite's
rowid, so it costs nothing there).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)

from bridge.core.model import DeadKind, RunState, Status
from bridge.store.tables._common import SEQ, metadata, partial
from bridge.store.tables.clock import store_clock
from bridge.store.tables.forms import daily_bytes, form_files, recent, refused_submission
from bridge.store.tables.operations import act, act_item

__all__ = [
    "HEAD",
    "act",
    "act_item",
    "alert",
    "attempt",
    "circuit",
    "config",
    "daily_bytes",
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
    "pace",
    "recent",
    "refused_submission",
    "reject",
    "store_clock",
    "worker",
]
# the newest migration; kept here so that a start with nothing to migrate need not import Alembic
HEAD = "0019"


def _one_of(column: str, values: type[Status] | type[RunState] | type[DeadKind]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


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
    Column("until", Float),  # it may learn until then
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
    # Last, so that reading the other columns of a row never walks its overflow pages.
    Column("body", LargeBinary, nullable=False),
    partial(
        "ix_event_dedup", "source", "provider_id", where="provider_id IS NOT NULL", unique=True
    ),
    Index("ix_event_body", "source", "body_sha256", "seq"),
    Index("ix_event_age", "source", "received_at"),
    partial("ix_event_spam", "source", "seq", where="spam IS NOT NULL"),
    partial("ix_event_files", "seq", where="files IS NOT NULL"),
)

deleted_id = Table(
    # provider ids of events that were deleted: what repeats one of them is a duplicate until
    # `expires_at`
    "deleted_id",
    metadata,
    Column("source", Text, primary_key=True),
    Column("provider_id", Text, primary_key=True),  # of an event that was erased: a keyed hash
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
    "expected",  # sources that say what they `expect`, and since when
    metadata,
    Column("source", Text, primary_key=True),
    Column("since", Float, nullable=False),
    sqlite_with_rowid=False,
)

delivery = Table(
    "delivery",
    metadata,
    Column("seq", SEQ, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("event_id", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("flow", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("saved_item_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("throttled", Integer, nullable=False, server_default="0"),
    Column("created_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("delivered_at", Float),
    Column("finished_at", Float),
    Column("config_hash", Text, nullable=False),
    Column("retry_attempts", Integer, nullable=False),
    Column("retry_first", Float, nullable=False),
    Column("retry_max", Float, nullable=False),
    Column("on_unknown", Text, nullable=False),
    Column("run_timeout", Float, nullable=False),
    Column("lease", Text),  # the token of the worker that holds it, while `sending`
    Column("lease_until", Float),
    # it holds one of the platform's slots
    Column("slot", Boolean, nullable=False, server_default=text("false")),
    # when its run is looked at next; null once the run is over or was given up
    Column("poll_at", Float),
    Column("polls", Integer, nullable=False, server_default="0"),
    Column("run_id", Text),
    Column("run_url", Text),
    Column("run_state", Text),
    Column("raw_state", Text),
    Column("whole_body", Boolean, nullable=False, server_default=text("false")),
    Column("inputs", Text),
    Column("outputs", Text),
    Column("log", Text),
    Column("dead_kind", Text),
    Column("on_run_failed", Text, nullable=False, server_default="ignore"),
    Column("run_retries", Integer, nullable=False, server_default="0"),
    Column("reruns", Integer, nullable=False, server_default="0"),
    Column("order_key", Text),
    Column("order_until", Text, nullable=False, server_default="run_end"),
    Column("order_blocks", Boolean, nullable=False, server_default=text("false")),
    # it is the head of its line: one for each key
    Column("holds_key", Boolean, nullable=False, server_default=text("false")),
    Column("debounce_key", Text),
    # it waits to be merged into a later one, until then; null once it is taken on
    Column("debounce_until", Float),
    Column("merged_into", Text),
    Column("evidence", Text),
    _one_of("status", Status),
    _one_of("run_state", RunState),
    _one_of("dead_kind", DeadKind),
    Index("ix_delivery_event", "event_id"),
    partial("ix_delivery_head", "route", "order_key", where="holds_key", unique=True),
    partial("ix_delivery_line", "route", "order_key", "seq", where="status = 'blocked'"),
    partial("ix_delivery_merge", "route", "debounce_key", where="debounce_until IS NOT NULL"),
    partial("ix_delivery_unknown", "route", where="status = 'unknown'"),
    partial("ix_delivery_run", "run_id", where="run_id IS NOT NULL"),
    partial("ix_delivery_queue", "platform", "route", "due_at", "seq", where="status = 'queued'"),
    partial("ix_delivery_lease", "lease_until", where="status = 'sending'"),
    partial("ix_delivery_slot", "platform", "route", where="slot"),
    partial("ix_delivery_poll", "poll_at", where="poll_at IS NOT NULL"),
    partial("ix_delivery_stuck", "status", "seq", where="status IN ('dead', 'unknown', 'blocked')"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
    Column("outcome", Text),
    Column("status_code", Integer),
    Column("detail", Text),
    Column("run_id", Text),
    Column("run_state", Text),
    Column("log", Text),
    Column("run_finished_at", Float),
    Column("outputs", Text),
    # its answer came when the delivery had gone on without it, and told of a run; null once a
    # person has acted
    Column("late_at", Float),
    # the clocks at the intent, beside `started_at`: see `clock_reading`; null in rows of earlier
    # versions
    Column("boot_clock", Float),
    Column("boot_id", Text),
    Column("host", Text),
    Column("platform_at", Float),
    partial("ix_attempt_late", "late_at", where="late_at IS NOT NULL"),
    partial("ix_attempt_run", "run_id", where="run_id IS NOT NULL"),
    partial("ix_attempt_unknown", "started_at", where="outcome = 'unknown'"),
    partial(
        "ix_attempt_boot",
        "boot_id",
        "boot_clock",
        where="outcome = 'unknown' AND boot_clock IS NOT NULL",
    ),
    sqlite_with_rowid=False,
)

pace = Table(
    "pace",
    metadata,
    Column("route", Text, primary_key=True),
    Column("next_at", Float, nullable=False),  # the next start is not before that
    Column("day", Integer, nullable=False),  # days since 1970 (UTC)
    Column("starts", Integer, nullable=False),  # of that day
    sqlite_with_rowid=False,
)

hold = Table(
    "hold",
    metadata,
    Column("what", Text, primary_key=True),  # "starts": nothing is started while this row is there
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
