"""Bounded copies of requests that failed verification; secrets that senders tell."""

import sqlalchemy as sa
from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('reject',
    sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('provider', sa.Text(), nullable=False),
    sa.Column('received_at', sa.Float(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('method', sa.Text(), nullable=False),
    sa.Column('path', sa.Text(), nullable=False),
    sa.Column('headers', sa.Text(), nullable=False),
    sa.Column('query_string', sa.Text(), nullable=False),
    sa.Column('url', sa.Text(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('size', sa.BigInteger(), nullable=False),
    sa.Column('cut', sa.Boolean(), nullable=False),
    sa.Column('client', sa.Text(), nullable=True),
    sa.Column('readmitted_at', sa.Float(), nullable=True),
    sa.Column('event_ids', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_reject')),
    sa.UniqueConstraint('id')
    )
    op.create_table('learned',
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('until', sa.Float(), nullable=True),
    sa.Column('sealed', sa.Text(), nullable=True),
    sa.Column('learned_at', sa.Float(), nullable=True),
    sa.PrimaryKeyConstraint('source', name=op.f('pk_learned')),
    sqlite_with_rowid=False
    )
    op.create_index('ix_reject_source', 'reject', ['source', 'seq'])
