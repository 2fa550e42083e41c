"""Marks deliveries for which an event was planned again, such as by a replay."""

import sqlalchemy as sa
from alembic import op

revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('delivery', sa.Column('planned_again', sa.Boolean(), server_default=sa.text('(false)'), nullable=False))
