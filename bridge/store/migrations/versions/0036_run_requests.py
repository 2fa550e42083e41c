"""Requests to start a run by hand, by their Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = '0036'
down_revision = '0035'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'run_request',
        sa.Column('token', sa.Text(), nullable=False),
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('digest', sa.Text(), nullable=False),
        sa.Column('at', sa.Float(), nullable=False),
        sa.Column('answer', sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint('token', 'key', name=op.f('pk_run_request')),
        sqlite_with_rowid=False,
    )
