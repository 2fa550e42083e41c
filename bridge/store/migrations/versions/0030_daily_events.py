"""How many events each source received today."""

import sqlalchemy as sa
from alembic import op

revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'daily_events',
        sa.Column('source', sa.Text(), nullable=False),
        sa.Column('day', sa.Integer(), nullable=False),
        sa.Column('events', sa.BigInteger(), nullable=False),
        sa.Column('counted_to', sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint('source', name=op.f('pk_daily_events')),
        sqlite_with_rowid=False,
    )
