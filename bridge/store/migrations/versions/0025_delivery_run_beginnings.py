"""An index for the beginnings of runs' ids, in the order of their bytes (PostgreSQL)."""

from alembic import op

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name == 'postgresql':
        # A database may have it from an earlier form of 0021.
        op.execute(
            'CREATE INDEX IF NOT EXISTS ix_delivery_run_bytes ON delivery (run_id COLLATE "C")'
        )
