"""An index of the answers that came late."""

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0014b'
down_revision = '0014'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (
    ConcurrentIndex('ix_attempt_late', 'attempt', 'late_at', 'late_at IS NOT NULL'),
)


def upgrade() -> None:
    create_missing_indexes(CONCURRENT_INDEXES)
