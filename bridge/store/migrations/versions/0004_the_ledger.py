"""The whole ledger: order, debounce, runs that are followed by another, pace, circuits; the sender's own retries."""

import sqlalchemy as sa
from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    if sqlite:
        op.execute("DROP TRIGGER arrive")
        op.execute("DROP VIEW arrival")
    op.add_column('event', sa.Column('sender_retry', sa.Integer(), nullable=True))
    for column in (
        sa.Column('dead_kind', sa.Text(), sa.CheckConstraint(DEAD_KIND, name='dead_kind'), nullable=True),
        sa.Column('on_run_failed', sa.Text(), server_default='ignore', nullable=False),
        sa.Column('run_retries', sa.Integer(), server_default='0', nullable=False),
        sa.Column('reruns', sa.Integer(), server_default='0', nullable=False),
        sa.Column('order_key', sa.Text(), nullable=True),
        sa.Column('order_until', sa.Text(), server_default='run_end', nullable=False),
        sa.Column('order_blocks', sa.Boolean(), server_default=sa.text('(false)'), nullable=False),
        sa.Column('holds_key', sa.Boolean(), server_default=sa.text('(false)'), nullable=False),
        sa.Column('debounce_key', sa.Text(), nullable=True),
        sa.Column('debounce_until', sa.Float(), nullable=True),
        sa.Column('merged_into', sa.Text(), nullable=True),
        sa.Column('evidence', sa.Text(), nullable=True),
    ):
        op.add_column('delivery', column)
    op.execute("UPDATE delivery SET dead_kind = CASE WHEN attempts + throttled > 0 THEN 'platform' ELSE 'ours' END WHERE status = 'dead'")
    for column in (sa.Column('run_state', sa.Text(), nullable=True), sa.Column('log', sa.Text(), nullable=True)):
        op.add_column('attempt', column)
    op.drop_index('ix_delivery_slot', 'delivery')
    for name, columns, where, unique in (
        ('ix_delivery_slot', ['platform', 'route'], 'slot', False),
        ('ix_delivery_head', ['route', 'order_key'], 'holds_key', True),
        ('ix_delivery_line', ['route', 'order_key', 'seq'], "status = 'blocked'", False),
        ('ix_delivery_merge', ['route', 'debounce_key'], 'debounce_until IS NOT NULL', False),
        ('ix_delivery_unknown', ['route'], "status = 'unknown'", False),
        ('ix_delivery_run', ['run_id'], 'run_id IS NOT NULL', False),
    ):
        op.create_index(name, 'delivery', columns, unique=unique, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_table('pace',
    sa.Column('route', sa.Text(), nullable=False),
    sa.Column('next_at', sa.Float(), nullable=False),
    sa.Column('day', sa.Integer(), nullable=False),
    sa.Column('starts', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('route', name=op.f('pk_pace')),
    sqlite_with_rowid=False
    )
    op.create_table('circuit',
    sa.Column('platform', sa.Text(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('open_for', sa.Float(), nullable=False),
    sa.Column('open_until', sa.Float(), nullable=True),
    sa.Column('probe_until', sa.Float(), nullable=True),
    sa.Column('allowance', sa.Integer(), nullable=True),
    sa.Column('raise_at', sa.Float(), nullable=False),
    sa.Column('raise_for', sa.Float(), nullable=False),
    sa.Column('not_before', sa.Float(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('changed_at', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('platform', name=op.f('pk_circuit')),
    sqlite_with_rowid=False
    )
    for statement in SQLITE if sqlite else POSTGRESQL:
        op.execute(statement)


DEAD_KIND = "dead_kind IN ('ours', 'platform', 'person')"

# What comes in is inserted into this view, so that an event and its deliveries are one statement: see bridge/store/inbound/events.py. A process of
# the version before writes fewer values: what it does not know of is as if nothing was said. Materialized: else each value is made anew.
ARRIVAL = """
CREATE VIEW arrival AS
SELECT id, source, provider, type, provider_id, received_at, config_hash, problem, body_sha256, headers, query_string, body,
       sender_retry, 0.0 AS since, '[]' AS deliveries
FROM event
"""
ARRIVE = """
CREATE TRIGGER arrive INSTEAD OF INSERT ON arrival BEGIN
    INSERT INTO event (id, source, provider, type, provider_id, received_at, config_hash, problem, body_sha256, headers, query_string,
                       body, sender_retry, same_body_as)
    VALUES (NEW.id, NEW.source, NEW.provider, NEW.type, NEW.provider_id, NEW.received_at, NEW.config_hash, NEW.problem,
            NEW.body_sha256, NEW.headers, NEW.query_string, NEW.body, NEW.sender_retry,
            (SELECT known.id FROM event AS known
             WHERE known.seq = (SELECT max(seq) FROM event WHERE source = NEW.source AND body_sha256 = NEW.body_sha256)
               AND known.received_at > NEW.since))
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

# A delivery with an ordering key goes to the head of its line or, where that is taken, waits behind it, whichever way it comes into the table.
LINE_UP = """
CREATE TRIGGER line_up AFTER INSERT ON delivery
WHEN NEW.order_key IS NOT NULL AND NEW.status IN ('queued', 'dead') BEGIN
    UPDATE delivery SET status = 'blocked'
    WHERE seq = NEW.seq AND EXISTS (SELECT 1 FROM delivery WHERE holds_key AND route = NEW.route AND order_key = NEW.order_key);
    UPDATE delivery SET holds_key = true WHERE seq = NEW.seq AND status <> 'blocked';
END
"""
# One that is to be debounced takes the place of the one that waits already: as late as itself, but no later than the first may wait.
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
# What is no step of the ledger is refused by the store itself, whoever asks for it: `model.TRANSITIONS`, as a test holds it to be.
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

# The same on PostgreSQL, where others insert at the same moment: who looks at a line or a key holds its lock until the commit.
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
POSTGRESQL = (FUNCTION, TRIGGER, REFUSE, ONLY_STEPS)
