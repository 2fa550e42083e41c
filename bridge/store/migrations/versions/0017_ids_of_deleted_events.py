"""Provider ids of deleted events: what repeats one of them is a duplicate."""

import sqlalchemy as sa
from alembic import op

revision = '0017'
down_revision = '0016b'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'deleted_id',
        sa.Column('source', sa.Text(), nullable=False),
        sa.Column('provider_id', sa.Text(), nullable=False),
        sa.Column('event_id', sa.Text(), nullable=False),
        sa.Column('received_at', sa.Float(), nullable=False),
        sa.Column('expires_at', sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint('source', 'provider_id', name=op.f('pk_deleted_id')),
        sqlite_with_rowid=False,
    )
    op.create_index('ix_deleted_id_expires', 'deleted_id', ['expires_at'])
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER arrive")
        op.execute("DROP VIEW arrival")
        op.execute(ARRIVAL)
        op.execute(ARRIVE)


# One more column than in 0007, `erased_id`: what stands for the provider id where its event was erased. A process of the version before
# writes none: it would not know what to answer where the event that it repeats is deleted, so to it such an event is new, as it always was.
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
