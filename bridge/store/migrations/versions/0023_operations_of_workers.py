"""Operations that are proposed, agreed to and stopped over HTTP, and carried out by workers."""

import sqlalchemy as sa
from alembic import op

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ('driver', 'token', 'request_key', 'request_digest', 'counted'):
        op.add_column('act', sa.Column(name, sa.Text(), nullable=True))
    for name in ('proposed_until', 'agreed_at', 'stopped_at'):
        op.add_column('act', sa.Column(name, sa.Float(), nullable=True))
    op.create_index(
        'ix_act_request',
        'act',
        ['token', 'request_key'],
        unique=True,
        sqlite_where=sa.text('request_key IS NOT NULL'),
        postgresql_where=sa.text('request_key IS NOT NULL'),
    )
    op.create_index(
        'ix_act_driver',
        'act',
        ['seq'],
        sqlite_where=sa.text('driver IS NOT NULL AND finished_at IS NULL'),
        postgresql_where=sa.text('driver IS NOT NULL AND finished_at IS NULL'),
    )
