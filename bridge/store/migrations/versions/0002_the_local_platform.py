"""The local platform: its flows and files are known to the store, and runs can be stopped and listed by flow."""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

OPEN = sa.text("state IN ('QUEUED', 'RUNNING', 'TERMINATING')")


def upgrade() -> None:
    op.create_table('local_flow',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('workbook', sa.Text(), nullable=False),
    sa.Column('described', sa.Text(), nullable=False),
    sa.Column('created_at', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_local_flow')),
    sqlite_with_rowid=False
    )
    op.create_table('local_file',
    sa.Column('user_id', sa.Text(), nullable=False),
    sa.Column('run_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('sha256', sa.Text(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.Float(), nullable=False),
    sa.PrimaryKeyConstraint('user_id', 'run_id', 'name', name=op.f('pk_local_file')),
    sqlite_with_rowid=False
    )
    op.create_index('ix_local_file_blob', 'local_file', ['sha256'])
    op.add_column('local_run', sa.Column('body', sa.Text(), nullable=True))
    op.drop_index('ix_local_run_open', 'local_run')
    op.create_index('ix_local_run_open', 'local_run', ['state', 'seq'], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index('ix_local_run_flow', 'local_run', ['saved_item_id', 'seq'])
