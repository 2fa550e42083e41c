"""Indexes for the beginnings of ids, which PostgreSQL needs in the order of their bytes."""

from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None

INDEXES = (
    ('ix_event_id_bytes', 'event', 'id'),
    ('ix_delivery_id_bytes', 'delivery', 'id'),
    ('ix_delivery_run_bytes', 'delivery', 'run_id'),
)


def upgrade() -> None:
    if op.get_context().dialect.name == 'postgresql':
        for name, table, column in INDEXES:
            op.execute(f'CREATE INDEX {name} ON {table} ({column} COLLATE "C")')
