"""An index for the beginnings of runs' ids, in the order of their bytes (PostgreSQL)."""

from alembic import op

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (ConcurrentIndex('ix_delivery_run_bytes', 'delivery', 'run_id COLLATE "C"'),)


def upgrade() -> None:
    if op.get_context().dialect.name == 'postgresql':
        # A database may have it from an earlier form of 0021.
        create_missing_indexes(CONCURRENT_INDEXES)
