"""How many submissions each form refused in each hour, by the code of the answer."""

import sqlalchemy as sa
from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'refused_submission',
        sa.Column('source', sa.Text(), nullable=False),
        sa.Column('hour', sa.Integer(), nullable=False),
        sa.Column('code', sa.Text(), nullable=False),
        sa.Column('count', sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint('source', 'hour', 'code', name=op.f('pk_refused_submission')),
        sqlite_with_rowid=False,
    )
