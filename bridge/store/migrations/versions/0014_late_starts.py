"""Answers that came when the delivery had gone on without them, and told of a run."""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('attempt', sa.Column('late_at', sa.Float(), nullable=True))
