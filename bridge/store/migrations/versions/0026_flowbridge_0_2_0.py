"""The schema of flowbridge 0.2.0: operations of workers, the audit log, and beginnings of deliveries' ids."""

import sqlalchemy as sa
from alembic import op

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0026'
down_revision = '0022'
branch_labels = None
depends_on = None

# Of PostgreSQL alone. A store that 0.1.0 made has them; one that an earlier version made, and 0.1.0 upgraded, may not.
CONCURRENT_INDEXES = (
    ConcurrentIndex('ix_delivery_id_bytes', 'delivery', 'id COLLATE "C"'),
    ConcurrentIndex('ix_delivery_run_bytes', 'delivery', 'run_id COLLATE "C"'),
)


def upgrade() -> None:
    if op.get_bind().dialect.name == 'postgresql':
        create_missing_indexes(CONCURRENT_INDEXES)
    for name in ('driver', 'token', 'request_key', 'request_digest', 'counted'):
        op.add_column('act', sa.Column(name, sa.Text))
    for name in ('proposed_until', 'agreed_at', 'stopped_at'):
        op.add_column('act', sa.Column(name, sa.Float))
    op.execute("CREATE UNIQUE INDEX ix_act_request ON act (token, request_key) WHERE request_key IS NOT NULL")
    op.execute("CREATE INDEX ix_act_driver ON act (seq) WHERE driver IS NOT NULL AND finished_at IS NULL")
    op.create_table(
        'audit',
        sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), primary_key=True),
        sa.Column('id', sa.Text, nullable=False, unique=True),
        sa.Column('at', sa.Float, nullable=False),
        sa.Column('actor', sa.Text, nullable=False),
        sa.Column('action', sa.Text, nullable=False),
        sa.Column('subject', sa.Text),
        sa.Column('client', sa.Text),
    )
