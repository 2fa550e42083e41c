"""The intervals behind the times until which a platform or a route waits: they limit these times."""

import sqlalchemy as sa
from alembic import op

revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('circuit', sa.Column('retry_after', sa.Float(), server_default='3600', nullable=False))
    op.add_column('pace', sa.Column('start_interval', sa.Float(), server_default='86400', nullable=False))
