"""Since when something is expected of a source."""

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014b'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'expected',
        sa.Column('source', sa.Text(), nullable=False),
        sa.Column('since', sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint('source', name=op.f('pk_expected')),
        sqlite_with_rowid=False,
    )
