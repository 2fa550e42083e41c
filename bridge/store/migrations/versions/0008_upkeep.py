"""Upkeep: what is old is found by its age, and starts can be held back until a person lets them go."""

import sqlalchemy as sa
from alembic import op

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0008'
down_revision = '0007b'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (ConcurrentIndex('ix_event_age', 'event', 'source, received_at'),)


def upgrade() -> None:
    create_missing_indexes(CONCURRENT_INDEXES)
    where = sa.text('readmitted_at IS NOT NULL')
    op.create_index('ix_reject_readmitted', 'reject', ['readmitted_at'], sqlite_where=where, postgresql_where=where)
    op.create_table('hold',
    sa.Column('what', sa.Text(), nullable=False),
    sa.Column('since', sa.Float(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('what', name=op.f('pk_hold')),
    sqlite_with_rowid=False
    )
