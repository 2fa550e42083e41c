"""Runs that a start without an answer may have made are told from those of other attempts."""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, columns, where in (
        ('ix_attempt_run', ['run_id'], 'run_id IS NOT NULL'),
        ('ix_attempt_unknown', ['started_at'], "outcome = 'unknown'"),
    ):
        op.create_index(name, 'attempt', columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
