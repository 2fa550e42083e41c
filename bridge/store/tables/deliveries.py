"""Tables of deliveries and their attempts."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Float, Index, Integer, Table, Text, text

from bridge.core.model import DeadKind, RunState, Status
from bridge.store.tables._common import SEQ, metadata, partial


def _one_of(column: str, values: type[Status] | type[RunState] | type[DeadKind]) -> CheckConstraint:
    # not IN, of whose values SQLite makes a temporary table for each row that a trigger inserts
    return CheckConstraint(" OR ".join(f"{column} = '{value}'" for value in values), name=column)


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
    Column("lease", Text),  # the worker that holds it while `sending`
    Column("lease_until", Float),
    # whether it occupies one of the platform's slots
    Column("slot", Boolean, nullable=False, server_default=text("false")),
    # when its run is polled next; null once the run is over or abandoned
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
    # whether it is the head of its ordering key queue: one for each key
    Column("holds_key", Boolean, nullable=False, server_default=text("false")),
    Column("debounce_key", Text),
    # it may be merged into a later one until then; null after that
    Column("debounce_until", Float),
    Column("merged_into", Text),
    Column("evidence", Text),
    # whether its event was planned again for it, such as by a replay
    Column("planned_again", Boolean, nullable=False, server_default=text("false")),
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
    partial(
        "ix_delivery_stuck_route",
        "route",
        "status",
        "seq",
        where="status IN ('dead', 'unknown', 'blocked')",
    ),
    # with all that the status counts them by
    partial(
        "ix_delivery_death",
        "finished_at",
        "event_id",
        "route",
        "created_at",
        "dead_kind",
        where="status = 'dead'",
    ),
    partial("ix_delivery_again", "event_id", "route", "created_at", where="planned_again"),
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
    # when its response arrived too late, after the delivery had moved on, and reported a run;
    # null after a user has resolved it
    Column("late_at", Float),
    # clock readings at `started_at`: see `clock_reading`; null in rows of earlier versions
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
