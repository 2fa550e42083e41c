"""Indexes of the events that have files or are spam."""

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0007b'
down_revision = '0007'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (
    ConcurrentIndex('ix_event_spam', 'event', 'source, seq', 'spam IS NOT NULL'),
    ConcurrentIndex('ix_event_files', 'event', 'seq', 'files IS NOT NULL'),
)


def upgrade() -> None:
    create_missing_indexes(CONCURRENT_INDEXES)
