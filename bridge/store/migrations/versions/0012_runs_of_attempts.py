"""How a run ended that another followed: when, and with what outputs, beside its state and its log."""

import sqlalchemy as sa
from alembic import op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('attempt', sa.Column('run_finished_at', sa.Float(), nullable=True))
    op.add_column('attempt', sa.Column('outputs', sa.Text(), nullable=True))
