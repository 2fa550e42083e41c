"""An index for the beginnings of events' ids, which PostgreSQL needs in the order of their bytes.

Those of deliveries are migrations of their own, so that writers wait for one index at most.
"""

from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == 'postgresql':
        op.execute('CREATE INDEX ix_event_id_bytes ON event (id COLLATE "C")')
