"""An index for the beginnings of events' ids, which PostgreSQL needs in the order of their bytes.

Those of deliveries are migrations of their own.
"""

from alembic import op

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (ConcurrentIndex('ix_event_id_bytes', 'event', 'id COLLATE "C"'),)


def upgrade() -> None:
    if op.get_context().dialect.name == 'postgresql':
        create_missing_indexes(CONCURRENT_INDEXES)
