"""An index with all that the status counts dead deliveries by, instead of the one of their time alone."""

from alembic import op

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0032'
down_revision = '0031b'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (
    ConcurrentIndex(
        'ix_delivery_death', 'delivery', 'finished_at, event_id, route, created_at, dead_kind', "status = 'dead'"
    ),
)


def upgrade() -> None:
    op.drop_index('ix_delivery_died', 'delivery')
    create_missing_indexes(CONCURRENT_INDEXES)  # on SQLite in the pages that are free now
