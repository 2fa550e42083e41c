"""Alerts: what is wrong, since when, and what was told of it."""

import sqlalchemy as sa
from alembic import op

revision = '0011'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'alert',
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('severity', sa.Text(), nullable=False),
        sa.Column('what', sa.Text(), nullable=False),
        sa.Column('do', sa.Text(), nullable=False),
        sa.Column('since', sa.Float(), nullable=False),
        sa.Column('seen_at', sa.Float(), nullable=False),
        sa.Column('raised_at', sa.Float(), nullable=True),
        sa.Column('told_at', sa.Float(), nullable=True),
        sa.Column('told', sa.Integer(), nullable=False),
        sa.Column('resolved_at', sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_alert')),
        sqlite_with_rowid=False,
    )
