"""How many bytes each network has stored in each form."""

import sqlalchemy as sa
from alembic import op

revision = '0035'
down_revision = '0034'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'network_bytes',
        sa.Column('source', sa.Text(), nullable=False),
        sa.Column('network', sa.Integer(), nullable=False),
        sa.Column('files', sa.BigInteger(), nullable=False),
        sa.Column('day', sa.Integer(), nullable=False),
        sa.Column('today', sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint('source', 'network', name=op.f('pk_network_bytes')),
        sqlite_with_rowid=False,
    )
    op.add_column('event', sa.Column('network', sa.Integer(), nullable=True))
