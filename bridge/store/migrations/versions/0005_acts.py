"""What a person does is kept: acts, and the items each has chosen."""

import sqlalchemy as sa
from alembic import op

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('act',
    sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=True, nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('command', sa.Text(), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('created_at', sa.Float(), nullable=False),
    sa.Column('asked', sa.Text(), nullable=False),
    sa.Column('chosen', sa.Integer(), nullable=True),
    sa.Column('done', sa.Integer(), server_default='0', nullable=False),
    sa.Column('refused', sa.Integer(), server_default='0', nullable=False),
    sa.Column('worked_at', sa.Float(), nullable=True),
    sa.Column('finished_at', sa.Float(), nullable=True),
    sa.Column('resumed', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_act')),
    sa.UniqueConstraint('id')
    )
    op.create_table('act_item',
    sa.Column('act', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('item_id', sa.Text(), nullable=False),
    sa.Column('outcome', sa.Text(), nullable=True),
    sa.Column('problem', sa.Text(), nullable=True),
    sa.Column('was', sa.Text(), nullable=True),
    sa.Column('became', sa.Text(), nullable=True),
    sa.Column('made', sa.Text(), nullable=True),
    sa.Column('at', sa.Float(), nullable=True),
    sa.PrimaryKeyConstraint('act', 'number', name=op.f('pk_act_item')),
    sqlite_with_rowid=False
    )
    op.create_index('ix_act_item_item', 'act_item', ['item_id'], unique=False)
    is_open = sa.text('outcome IS NULL')
    op.create_index('ix_act_item_open', 'act_item', ['act', 'number'], unique=False, sqlite_where=is_open, postgresql_where=is_open)
