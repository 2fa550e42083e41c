"""What forms remember for a while: rates, tokens and solutions that were used, submissions that may come twice."""

import sqlalchemy as sa
from alembic import op

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'recent',
        sa.Column('key', sa.Text(), nullable=False),
        sa.Column('until', sa.Float(), nullable=False),
        sa.Column('digest', sa.Text(), nullable=True),
        sa.Column('event_id', sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_recent')),
        sqlite_with_rowid=False,
    )
    op.create_index('ix_recent_until', 'recent', ['until'])
