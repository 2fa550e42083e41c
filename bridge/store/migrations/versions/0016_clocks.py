"""The clocks at the intent of an attempt, and those by which the store has gone lately."""

import sqlalchemy as sa
from alembic import op

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('attempt', sa.Column('boot_clock', sa.Float(), nullable=True))
    op.add_column('attempt', sa.Column('boot_id', sa.Text(), nullable=True))
    op.add_column('attempt', sa.Column('host', sa.Text(), nullable=True))
    op.add_column('attempt', sa.Column('platform_at', sa.Float(), nullable=True))
    op.create_table(
        'store_clock',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('at', sa.Float(), nullable=False),
        sa.Column('boot_clock', sa.Float(), nullable=True),
        sa.Column('boot_id', sa.Text(), nullable=True),
        sa.Column('host', sa.Text(), nullable=True),
        sa.Column('step', sa.Float(), nullable=True),
        sa.Column('stepped_at', sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_store_clock')),
        sqlite_with_rowid=False,
    )
