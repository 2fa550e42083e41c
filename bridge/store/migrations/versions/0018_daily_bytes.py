"""How many bytes each source stored today."""

import sqlalchemy as sa
from alembic import op

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'daily_bytes',
        sa.Column('source', sa.Text(), nullable=False),
        sa.Column('day', sa.Integer(), nullable=False),
        sa.Column('bytes', sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint('source', name=op.f('pk_daily_bytes')),
        sqlite_with_rowid=False,
    )
