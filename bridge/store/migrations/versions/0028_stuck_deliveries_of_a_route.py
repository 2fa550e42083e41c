"""An index of the dead, unknown and blocked deliveries of a route."""

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (
    ConcurrentIndex(
        'ix_delivery_stuck_route', 'delivery', 'route, status, seq', "status IN ('dead', 'unknown', 'blocked')"
    ),
)


def upgrade() -> None:
    create_missing_indexes(CONCURRENT_INDEXES)
