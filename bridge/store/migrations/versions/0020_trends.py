"""Numbers per minute for charts, and the counters that they are the growth of."""

import sqlalchemy as sa
from alembic import op

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'trend',
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('at', sa.BigInteger(), nullable=False),
        sa.Column('node', sa.Text(), nullable=False),
        sa.Column('value', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('key', 'at', 'node', name=op.f('pk_trend')),
        sqlite_with_rowid=False,
    )
    op.create_index('ix_trend_at', 'trend', ['at'])
    op.create_table(
        'trend_node',
        sa.Column('node', sa.Text(), nullable=False),
        sa.Column('at', sa.BigInteger(), nullable=False),
        sa.Column('counters', sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint('node', name=op.f('pk_trend_node')),
        sqlite_with_rowid=False,
    )
