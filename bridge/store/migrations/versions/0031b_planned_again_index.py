"""Mark the stored deliveries for which an event was planned again, with an index of all of them."""

from alembic import op
from sqlalchemy import bindparam, text

from bridge.store.migrations.concurrent_indexes import ConcurrentIndex, create_missing_indexes

revision = '0031b'
down_revision = '0031'
branch_labels = None
depends_on = None

CONCURRENT_INDEXES = (
    ConcurrentIndex('ix_delivery_again', 'delivery', 'event_id, route, created_at', 'planned_again'),
)
# Only those that are asked for: the ones after a dead delivery, or after one of the newest whose run failed.
FIND = text("""
SELECT later.seq FROM (
    SELECT seq, event_id, route, created_at FROM delivery
    WHERE status IN ('dead', 'unknown', 'blocked') AND status = 'dead'
    UNION ALL
    SELECT seq, event_id, route, created_at FROM (
        SELECT seq, event_id, route, created_at, run_state FROM delivery ORDER BY seq DESC LIMIT 5000
    ) AS newest WHERE run_state = 'failed'
) AS earlier JOIN delivery AS later ON later.event_id = earlier.event_id AND later.route = earlier.route
    AND later.seq > earlier.seq AND later.created_at <> earlier.created_at
""")
MARK = text("UPDATE delivery SET planned_again = true WHERE seq IN :found").bindparams(
    bindparam('found', expanding=True)
)
MARKED_AT_ONCE = 1000


def upgrade() -> None:
    create_missing_indexes(CONCURRENT_INDEXES)
    connection = op.get_bind()
    numbers = sorted(set(connection.execute(FIND).scalars()))
    for begin in range(0, len(numbers), MARKED_AT_ONCE):
        connection.execute(MARK, {'found': numbers[begin:begin + MARKED_AT_ONCE]})
