"""The schema of flowbridge 0.1.0."""

import sqlalchemy as sa
from alembic import op

revision = '0022'
down_revision = None
branch_labels = None
depends_on = None

SEQ = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    create_tables()
    for index in INDEXES.strip().splitlines():
        op.execute(f"CREATE {index}")
    is_sqlite = op.get_bind().dialect.name == 'sqlite'
    for statement in SQLITE if is_sqlite else POSTGRESQL:
        op.execute(statement)


def create_tables() -> None:
    op.create_table(
        'act',
        sa.Column('seq', SEQ, primary_key=True),
        sa.Column('id', sa.Text, nullable=False, unique=True),
        sa.Column('command', sa.Text, nullable=False),
        sa.Column('actor', sa.Text, nullable=False),
        sa.Column('created_at', sa.Float, nullable=False),
        sa.Column('asked', sa.Text, nullable=False),
        sa.Column('chosen', sa.Integer),
        sa.Column('done', sa.Integer, nullable=False, server_default='0'),
        sa.Column('refused', sa.Integer, nullable=False, server_default='0'),
        sa.Column('worked_at', sa.Float),
        sa.Column('finished_at', sa.Float),
        sa.Column('resumed', sa.Text),
    )
    op.create_table(
        'act_item',
        sa.Column('act', sa.BigInteger, primary_key=True),
        sa.Column('number', sa.Integer, primary_key=True),
        sa.Column('item_id', sa.Text, nullable=False),
        sa.Column('outcome', sa.Text),
        sa.Column('problem', sa.Text),
        sa.Column('was', sa.Text),
        sa.Column('became', sa.Text),
        sa.Column('made', sa.Text),
        sa.Column('at', sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'alert',
        sa.Column('key', sa.Text, primary_key=True),
        sa.Column('severity', sa.Text, nullable=False),
        sa.Column('what', sa.Text, nullable=False),
        sa.Column('do', sa.Text, nullable=False),
        sa.Column('since', sa.Float, nullable=False),
        sa.Column('seen_at', sa.Float, nullable=False),
        sa.Column('raised_at', sa.Float),
        sa.Column('told_at', sa.Float),
        sa.Column('told', sa.Integer, nullable=False),
        sa.Column('resolved_at', sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'attempt',
        sa.Column('delivery_id', sa.Text, primary_key=True),
        sa.Column('number', sa.Integer, primary_key=True),
        sa.Column('started_at', sa.Float, nullable=False),
        sa.Column('finished_at', sa.Float),
        sa.Column('outcome', sa.Text),
        sa.Column('status_code', sa.Integer),
        sa.Column('detail', sa.Text),
        sa.Column('run_id', sa.Text),
        sa.Column('run_state', sa.Text),
        sa.Column('log', sa.Text),
        sa.Column('run_finished_at', sa.Float),
        sa.Column('outputs', sa.Text),
        sa.Column('late_at', sa.Float),
        sa.Column('boot_clock', sa.Float),
        sa.Column('boot_id', sa.Text),
        sa.Column('host', sa.Text),
        sa.Column('platform_at', sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'circuit',
        sa.Column('platform', sa.Text, primary_key=True),
        sa.Column('failures', sa.Integer, nullable=False),
        sa.Column('open_for', sa.Float, nullable=False),
        sa.Column('open_until', sa.Float),
        sa.Column('probe_until', sa.Float),
        sa.Column('allowance', sa.Integer),
        sa.Column('raise_at', sa.Float, nullable=False),
        sa.Column('raise_for', sa.Float, nullable=False),
        sa.Column('not_before', sa.Float, nullable=False),
        sa.Column('reason', sa.Text),
        sa.Column('changed_at', sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'config',
        sa.Column('hash', sa.Text, primary_key=True),
        sa.Column('canonical', sa.Text, nullable=False),
        sa.Column('seen_at', sa.Float, nullable=False),
    )
    op.create_table(
        'daily_bytes',
        sa.Column('source', sa.Text, primary_key=True),
        sa.Column('day', sa.Integer, nullable=False),
        sa.Column('bytes', sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'deleted_id',
        sa.Column('source', sa.Text, primary_key=True),
        sa.Column('provider_id', sa.Text, primary_key=True),
        sa.Column('event_id', sa.Text, nullable=False),
        sa.Column('received_at', sa.Float, nullable=False),
        sa.Column('expires_at', sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'delivery',
        sa.Column('seq', SEQ, primary_key=True),
        sa.Column('id', sa.Text, nullable=False, unique=True),
        sa.Column('event_id', sa.Text, nullable=False),
        sa.Column('route', sa.Text, nullable=False),
        sa.Column('flow', sa.Text, nullable=False),
        sa.Column('platform', sa.Text, nullable=False),
        sa.Column('saved_item_id', sa.Text, nullable=False),
        sa.Column('status', sa.Text, nullable=False),
        sa.Column('reason', sa.Text),
        sa.Column('attempts', sa.Integer, nullable=False, server_default='0'),
        sa.Column('throttled', sa.Integer, nullable=False, server_default='0'),
        sa.Column('created_at', sa.Float, nullable=False),
        sa.Column('due_at', sa.Float, nullable=False),
        sa.Column('delivered_at', sa.Float),
        sa.Column('finished_at', sa.Float),
        sa.Column('config_hash', sa.Text, nullable=False),
        sa.Column('retry_attempts', sa.Integer, nullable=False),
        sa.Column('retry_first', sa.Float, nullable=False),
        sa.Column('retry_max', sa.Float, nullable=False),
        sa.Column('on_unknown', sa.Text, nullable=False),
        sa.Column('run_timeout', sa.Float, nullable=False),
        sa.Column('lease', sa.Text),
        sa.Column('lease_until', sa.Float),
        sa.Column('slot', sa.Boolean, nullable=False, server_default=sa.text('(false)')),
        sa.Column('poll_at', sa.Float),
        sa.Column('polls', sa.Integer, nullable=False, server_default='0'),
        sa.Column('run_id', sa.Text),
        sa.Column('run_url', sa.Text),
        sa.Column('run_state', sa.Text),
        sa.Column('raw_state', sa.Text),
        sa.Column('whole_body', sa.Boolean, nullable=False, server_default=sa.text('(false)')),
        sa.Column('inputs', sa.Text),
        sa.Column('outputs', sa.Text),
        sa.Column('log', sa.Text),
        sa.Column('dead_kind', sa.Text, sa.CheckConstraint("dead_kind IN ('ours', 'platform', 'person')", name='dead_kind')),
        sa.Column('on_run_failed', sa.Text, nullable=False, server_default='ignore'),
        sa.Column('run_retries', sa.Integer, nullable=False, server_default='0'),
        sa.Column('reruns', sa.Integer, nullable=False, server_default='0'),
        sa.Column('order_key', sa.Text),
        sa.Column('order_until', sa.Text, nullable=False, server_default='run_end'),
        sa.Column('order_blocks', sa.Boolean, nullable=False, server_default=sa.text('(false)')),
        sa.Column('holds_key', sa.Boolean, nullable=False, server_default=sa.text('(false)')),
        sa.Column('debounce_key', sa.Text),
        sa.Column('debounce_until', sa.Float),
        sa.Column('merged_into', sa.Text),
        sa.Column('evidence', sa.Text),
        sa.CheckConstraint("run_state IN ('queued', 'running', 'done', 'failed', 'terminated')", name='run_state'),
        sa.CheckConstraint("status IN ('queued', 'sending', 'delivered', 'unknown', 'dead', 'blocked', 'cancelled', 'shadow')", name='status'),
    )
    op.create_table(
        'event',
        sa.Column('seq', SEQ, primary_key=True),
        sa.Column('id', sa.Text, nullable=False, unique=True),
        sa.Column('source', sa.Text, nullable=False),
        sa.Column('provider', sa.Text, nullable=False),
        sa.Column('type', sa.Text),
        sa.Column('provider_id', sa.Text),
        sa.Column('received_at', sa.Float, nullable=False),
        sa.Column('config_hash', sa.Text, nullable=False),
        sa.Column('problem', sa.Text),
        sa.Column('same_body_as', sa.Text),
        sa.Column('duplicates', sa.Integer, nullable=False, server_default='0'),
        sa.Column('body_sha256', sa.Text, nullable=False),
        sa.Column('headers', sa.Text, nullable=False),
        sa.Column('query_string', sa.Text, nullable=False),
        sa.Column('body', sa.LargeBinary, nullable=False),
        sa.Column('sender_retry', sa.Integer),
        sa.Column('files', sa.Text),
        sa.Column('spam', sa.Text),
        sa.Column('client', sa.Text),
    )
    op.create_table(
        'expected',
        sa.Column('source', sa.Text, primary_key=True),
        sa.Column('since', sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'form_files',
        sa.Column('source', sa.Text, primary_key=True),
        sa.Column('bytes', sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'hold',
        sa.Column('what', sa.Text, primary_key=True),
        sa.Column('since', sa.Float, nullable=False),
        sa.Column('reason', sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'learned',
        sa.Column('source', sa.Text, primary_key=True),
        sa.Column('until', sa.Float),
        sa.Column('sealed', sa.Text),
        sa.Column('learned_at', sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'local_file',
        sa.Column('user_id', sa.Text, primary_key=True),
        sa.Column('run_id', sa.Text, primary_key=True),
        sa.Column('name', sa.Text, primary_key=True),
        sa.Column('sha256', sa.Text, nullable=False),
        sa.Column('size', sa.BigInteger, nullable=False),
        sa.Column('created_at', sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'local_flow',
        sa.Column('id', sa.Text, primary_key=True),
        sa.Column('workbook', sa.Text, nullable=False),
        sa.Column('described', sa.Text, nullable=False),
        sa.Column('created_at', sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'local_run',
        sa.Column('seq', SEQ, primary_key=True),
        sa.Column('id', sa.Text, nullable=False, unique=True),
        sa.Column('saved_item_id', sa.Text, nullable=False),
        sa.Column('user_id', sa.Text, nullable=False),
        sa.Column('idempotency_key', sa.Text),
        sa.Column('state', sa.Text, nullable=False),
        sa.Column('created_at', sa.Float, nullable=False),
        sa.Column('started_at', sa.Float),
        sa.Column('finished_at', sa.Float),
        sa.Column('lease', sa.Text),
        sa.Column('lease_until', sa.Float),
        sa.Column('inputs', sa.Text, nullable=False),
        sa.Column('outputs', sa.Text),
        sa.Column('log', sa.Text),
        sa.Column('body', sa.Text),
    )
    op.create_table(
        'pace',
        sa.Column('route', sa.Text, primary_key=True),
        sa.Column('next_at', sa.Float, nullable=False),
        sa.Column('day', sa.Integer, nullable=False),
        sa.Column('starts', sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'recent',
        sa.Column('key', sa.Text, primary_key=True),
        sa.Column('until', sa.Float, nullable=False),
        sa.Column('digest', sa.Text),
        sa.Column('event_id', sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'refused_submission',
        sa.Column('source', sa.Text, primary_key=True),
        sa.Column('hour', sa.Integer, primary_key=True),
        sa.Column('code', sa.Text, primary_key=True),
        sa.Column('count', sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'reject',
        sa.Column('seq', SEQ, primary_key=True),
        sa.Column('id', sa.Text, nullable=False, unique=True),
        sa.Column('source', sa.Text, nullable=False),
        sa.Column('provider', sa.Text, nullable=False),
        sa.Column('received_at', sa.Float, nullable=False),
        sa.Column('reason', sa.Text, nullable=False),
        sa.Column('method', sa.Text, nullable=False),
        sa.Column('path', sa.Text, nullable=False),
        sa.Column('headers', sa.Text, nullable=False),
        sa.Column('query_string', sa.Text, nullable=False),
        sa.Column('url', sa.Text, nullable=False),
        sa.Column('body', sa.LargeBinary, nullable=False),
        sa.Column('size', sa.BigInteger, nullable=False),
        sa.Column('cut', sa.Boolean, nullable=False),
        sa.Column('client', sa.Text),
        sa.Column('readmitted_at', sa.Float),
        sa.Column('event_ids', sa.Text),
    )
    op.create_table(
        'store_clock',
        sa.Column('id', sa.Integer, primary_key=True, autoincrement=False),
        sa.Column('at', sa.Float, nullable=False),
        sa.Column('boot_clock', sa.Float),
        sa.Column('boot_id', sa.Text),
        sa.Column('host', sa.Text),
        sa.Column('step', sa.Float),
        sa.Column('stepped_at', sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'token',
        sa.Column('id', sa.Text, primary_key=True),
        sa.Column('name', sa.Text, nullable=False, unique=True),
        sa.Column('hash', sa.Text, nullable=False, unique=True),
        sa.Column('scopes', sa.Text, nullable=False),
        sa.Column('created_at', sa.Float, nullable=False),
        sa.Column('used_at', sa.Float),
        sa.Column('ends_at', sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'trend',
        sa.Column('key', sa.Text, primary_key=True),
        sa.Column('at', sa.BigInteger, primary_key=True),
        sa.Column('node', sa.Text, primary_key=True),
        sa.Column('value', sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'trend_node',
        sa.Column('node', sa.Text, primary_key=True),
        sa.Column('at', sa.BigInteger, nullable=False),
        sa.Column('counters', sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        'worker',
        sa.Column('id', sa.Text, primary_key=True),
        sa.Column('host', sa.Text, nullable=False),
        sa.Column('pid', sa.Integer, nullable=False),
        sa.Column('started_at', sa.Float, nullable=False),
        sa.Column('seen_at', sa.Float, nullable=False),
    )


INDEXES = """
INDEX ix_act_item_item ON act_item (item_id)
INDEX ix_act_item_open ON act_item (act, number) WHERE outcome IS NULL
INDEX ix_attempt_boot ON attempt (boot_id, boot_clock) WHERE outcome = 'unknown' AND boot_clock IS NOT NULL
INDEX ix_attempt_late ON attempt (late_at) WHERE late_at IS NOT NULL
INDEX ix_attempt_run ON attempt (run_id) WHERE run_id IS NOT NULL
INDEX ix_attempt_unknown ON attempt (started_at) WHERE outcome = 'unknown'
INDEX ix_deleted_id_expires ON deleted_id (expires_at)
INDEX ix_delivery_event ON delivery (event_id)
UNIQUE INDEX ix_delivery_head ON delivery (route, order_key) WHERE holds_key
INDEX ix_delivery_lease ON delivery (lease_until) WHERE status = 'sending'
INDEX ix_delivery_line ON delivery (route, order_key, seq) WHERE status = 'blocked'
INDEX ix_delivery_merge ON delivery (route, debounce_key) WHERE debounce_until IS NOT NULL
INDEX ix_delivery_poll ON delivery (poll_at) WHERE poll_at IS NOT NULL
INDEX ix_delivery_queue ON delivery (platform, route, due_at, seq) WHERE status = 'queued'
INDEX ix_delivery_run ON delivery (run_id) WHERE run_id IS NOT NULL
INDEX ix_delivery_slot ON delivery (platform, route) WHERE slot
INDEX ix_delivery_stuck ON delivery (status, seq) WHERE status IN ('dead', 'unknown', 'blocked')
INDEX ix_delivery_unknown ON delivery (route) WHERE status = 'unknown'
INDEX ix_event_age ON event (source, received_at)
INDEX ix_event_body ON event (source, body_sha256, seq)
UNIQUE INDEX ix_event_dedup ON event (source, provider_id) WHERE provider_id IS NOT NULL
INDEX ix_event_files ON event (seq) WHERE files IS NOT NULL
INDEX ix_event_spam ON event (source, seq) WHERE spam IS NOT NULL
INDEX ix_local_file_blob ON local_file (sha256)
INDEX ix_local_run_flow ON local_run (saved_item_id, seq)
UNIQUE INDEX ix_local_run_key ON local_run (idempotency_key) WHERE idempotency_key IS NOT NULL
INDEX ix_local_run_open ON local_run (state, seq) WHERE state IN ('QUEUED', 'RUNNING', 'TERMINATING')
INDEX ix_recent_until ON recent (until)
INDEX ix_reject_readmitted ON reject (readmitted_at) WHERE readmitted_at IS NOT NULL
INDEX ix_reject_source ON reject (source, seq)
INDEX ix_trend_at ON trend (at)
"""

# What arrives is inserted into this view, so that an event and its deliveries are one statement: see bridge/store/inbound/events.py.
# Materialized: else SQLite would read each value of a delivery anew.
ARRIVAL = """
CREATE VIEW arrival AS
SELECT id, source, provider, type, provider_id, received_at, config_hash, problem, body_sha256, headers, query_string, body,
       sender_retry, files, spam, client, 0.0 AS since, '' AS erased_id, '[]' AS deliveries
FROM event
"""
ARRIVE = """
CREATE TRIGGER arrive INSTEAD OF INSERT ON arrival BEGIN
    INSERT INTO event (id, source, provider, type, provider_id, received_at, config_hash, problem, body_sha256, headers, query_string,
                       body, sender_retry, files, spam, client, same_body_as)
    SELECT NEW.id, NEW.source, NEW.provider, NEW.type, NEW.provider_id, NEW.received_at, NEW.config_hash, NEW.problem,
           NEW.body_sha256, NEW.headers, NEW.query_string, NEW.body, NEW.sender_retry,
           NEW.files, NEW.spam, NEW.client,
           (SELECT known.id FROM event AS known
            WHERE known.seq = (SELECT max(seq) FROM event WHERE source = NEW.source AND body_sha256 = NEW.body_sha256)
              AND known.received_at > NEW.since)
    WHERE NEW.erased_id IS NULL OR NOT EXISTS (
        SELECT 1 FROM deleted_id WHERE source = NEW.source AND provider_id IN (NEW.provider_id, NEW.erased_id) AND expires_at > NEW.received_at)
    ON CONFLICT (source, provider_id) WHERE provider_id IS NOT NULL DO NOTHING;
    INSERT INTO delivery (id, event_id, route, flow, platform, saved_item_id, status, reason, created_at, due_at, finished_at,
                          config_hash, retry_attempts, retry_first, retry_max, on_unknown, run_timeout, whole_body, inputs,
                          dead_kind, on_run_failed, run_retries, order_key, order_until, order_blocks, debounce_key, debounce_until)
    WITH planned AS MATERIALIZED (SELECT value AS v FROM json_each(NEW.deliveries) WHERE EXISTS (SELECT 1 FROM event WHERE id = NEW.id))
    SELECT v->>0, v->>1, v->>2, v->>3, v->>4, v->>5, v->>6, v->>7, v->>8, v->>9, v->>10, v->>11, v->>12, v->>13, v->>14, v->>15, v->>16,
           v->>17, v->>18, coalesce(v->>19, CASE WHEN v->>6 = 'dead' THEN 'ours' END), coalesce(v->>20, 'ignore'), coalesce(v->>21, 0),
           v->>22, coalesce(v->>23, 'run_end'), coalesce(v->>24, false), v->>25, v->>26
    FROM planned;
END
"""
# A delivery with an ordering key heads its queue or, if another one does, waits behind it.
LINE_UP = """
CREATE TRIGGER line_up AFTER INSERT ON delivery
WHEN NEW.order_key IS NOT NULL AND NEW.status IN ('queued', 'dead') BEGIN
    UPDATE delivery SET status = 'blocked'
    WHERE seq = NEW.seq AND EXISTS (SELECT 1 FROM delivery WHERE holds_key AND route = NEW.route AND order_key = NEW.order_key);
    UPDATE delivery SET holds_key = true WHERE seq = NEW.seq AND status <> 'blocked';
END
"""
# A debounced delivery replaces the one that waits: as late as itself, but no later than the first may wait.
MERGE = """
CREATE TRIGGER merge AFTER INSERT ON delivery
WHEN NEW.debounce_until IS NOT NULL AND NEW.status = 'queued' BEGIN
    UPDATE delivery
    SET debounce_until = (SELECT min(debounce_until) FROM delivery
                          WHERE debounce_until IS NOT NULL AND route = NEW.route AND debounce_key = NEW.debounce_key)
    WHERE seq = NEW.seq;
    UPDATE delivery SET due_at = min(due_at, debounce_until) WHERE seq = NEW.seq;
    UPDATE delivery
    SET status = 'cancelled', debounce_until = NULL, merged_into = NEW.id, finished_at = NEW.created_at,
        reason = 'merged into a later one: ' || NEW.id
    WHERE debounce_until IS NOT NULL AND route = NEW.route AND debounce_key = NEW.debounce_key AND status = 'queued' AND seq <> NEW.seq;
END
"""
# The store itself refuses what is no step of the ledger: `model.TRANSITIONS`, which a test compares.
LEGAL = """
    'queued cancelled', 'queued sending', 'sending dead', 'sending delivered', 'sending queued', 'sending unknown',
    'unknown dead', 'unknown delivered', 'unknown queued', 'delivered dead', 'delivered queued', 'blocked cancelled',
    'blocked dead', 'blocked queued', 'dead blocked', 'dead cancelled', 'dead queued', 'cancelled blocked', 'cancelled queued'
"""
STEP = f"""
CREATE TRIGGER step BEFORE UPDATE OF status ON delivery
WHEN OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN ({LEGAL})
 AND NOT (NEW.status = 'blocked' AND OLD.order_key IS NOT NULL AND NOT OLD.holds_key) BEGIN -- not that: it has just come, and lines up
    SELECT RAISE(ABORT, 'no step of the ledger');
END
"""
SQLITE = (ARRIVAL, ARRIVE, LINE_UP, MERGE, STEP)

# The same on PostgreSQL, where others insert at the same moment: who looks at a queue or a key holds its lock until the commit.
FUNCTION = """
CREATE OR REPLACE FUNCTION delivery_waits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE earliest double precision;
BEGIN
    IF NEW.order_key IS NOT NULL AND NEW.status IN ('queued', 'dead') THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(NEW.route || ' ' || NEW.order_key, 0));
        IF EXISTS (SELECT 1 FROM delivery WHERE holds_key AND route = NEW.route AND order_key = NEW.order_key) THEN
            NEW.status := 'blocked';
        ELSE
            NEW.holds_key := true;
        END IF;
    ELSIF NEW.debounce_until IS NOT NULL AND NEW.status = 'queued' THEN
        PERFORM pg_advisory_xact_lock(hashtextextended(NEW.route || ' ' || NEW.debounce_key, 1));
        SELECT min(debounce_until) INTO earliest FROM delivery
        WHERE debounce_until IS NOT NULL AND route = NEW.route AND debounce_key = NEW.debounce_key AND status = 'queued';
        NEW.debounce_until := least(NEW.debounce_until, earliest);
        NEW.due_at := least(NEW.due_at, NEW.debounce_until);
        UPDATE delivery
        SET status = 'cancelled', debounce_until = NULL, merged_into = NEW.id, finished_at = NEW.created_at,
            reason = 'merged into a later one: ' || NEW.id
        WHERE debounce_until IS NOT NULL AND route = NEW.route AND debounce_key = NEW.debounce_key AND status = 'queued';
    END IF;
    RETURN NEW;
END
$$
"""
TRIGGER = """
CREATE TRIGGER waits BEFORE INSERT ON delivery FOR EACH ROW
WHEN (NEW.order_key IS NOT NULL OR NEW.debounce_until IS NOT NULL) EXECUTE FUNCTION delivery_waits()
"""
REFUSE = """
CREATE OR REPLACE FUNCTION delivery_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'no step of the ledger: % to %', OLD.status, NEW.status USING ERRCODE = 'check_violation';
END
$$
"""
ONLY_STEPS = f"""
CREATE TRIGGER step BEFORE UPDATE OF status ON delivery FOR EACH ROW
WHEN (OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN ({LEGAL})) EXECUTE FUNCTION delivery_refuses()
"""
# PostgreSQL needs these to find ids by their beginning: its other indexes are in the order of the database's locale.
BYTE_INDEXES = (
    'CREATE INDEX ix_event_id_bytes ON event (id COLLATE "C")',
    'CREATE INDEX ix_delivery_id_bytes ON delivery (id COLLATE "C")',
    'CREATE INDEX ix_delivery_run_bytes ON delivery (run_id COLLATE "C")',
)
POSTGRESQL = (FUNCTION, TRIGGER, REFUSE, ONLY_STEPS, *BYTE_INDEXES)
