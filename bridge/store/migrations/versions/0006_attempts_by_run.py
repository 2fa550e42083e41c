"""Runs that a start without an answer may have made are told from those of other attempts."""

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (
    ConcurrentIndex('ix_attempt_run', 'attempt', 'run_id', 'run_id IS NOT NULL'),
    ConcurrentIndex('ix_attempt_unknown', 'attempt', 'started_at', "outcome = 'unknown'"),
)


def upgrade() -> None:
    create_missing_indexes(CONCURRENT_INDEXES)
