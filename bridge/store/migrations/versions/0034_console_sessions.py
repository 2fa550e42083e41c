"""Sessions of the console, by the hash of the secret in the cookie."""

import sqlalchemy as sa
from alembic import op

revision = '0034'
down_revision = '0033'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        'console_session',
        sa.Column('hash', sa.Text(), nullable=False),
        sa.Column('kind', sa.Text(), nullable=False),
        sa.Column('of', sa.Text(), nullable=False),
        sa.Column('name', sa.Text(), nullable=False),
        sa.Column('scopes', sa.Text(), nullable=False),
        sa.Column('began_at', sa.Float(), nullable=False),
        sa.Column('used_at', sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint('hash', name=op.f('pk_console_session')),
        sqlite_with_rowid=False,
    )
