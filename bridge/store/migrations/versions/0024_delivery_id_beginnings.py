"""An index for the beginnings of deliveries' ids, in the order of their bytes (PostgreSQL)."""

from alembic import op

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (ConcurrentIndex('ix_delivery_id_bytes', 'delivery', 'id COLLATE "C"'),)


def upgrade() -> None:
    if op.get_context().dialect.name == 'postgresql':
        # A database may have it from an earlier form of 0021.
        create_missing_indexes(CONCURRENT_INDEXES)
