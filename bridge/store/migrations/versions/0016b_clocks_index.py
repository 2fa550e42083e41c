"""An index of the clocks of unknown attempts."""

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0016b'
down_revision = '0016'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (
    ConcurrentIndex('ix_attempt_boot', 'attempt', 'boot_id, boot_clock', "outcome = 'unknown' AND boot_clock IS NOT NULL"),
)


def upgrade() -> None:
    create_missing_indexes(CONCURRENT_INDEXES)
