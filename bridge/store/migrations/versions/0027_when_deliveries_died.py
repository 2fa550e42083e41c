"""Indexes of the time at which deliveries died, and of unfinished operations."""

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (
    ConcurrentIndex('ix_delivery_died', 'delivery', 'finished_at', "status = 'dead'"),
    ConcurrentIndex('ix_act_unfinished', 'act', 'seq', 'finished_at IS NULL'),
)


def upgrade() -> None:
    create_missing_indexes(CONCURRENT_INDEXES)
