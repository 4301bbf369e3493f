"""Answers to replayed requests, for app and worker that share no disk.

Revision: 0022
Follows: 0021
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('replayed_file',
    sa.Column('path', sa.String(length=400), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('path', name=op.f('pk_replayed_file'))
    )


def downgrade() -> None:
    op.drop_table('replayed_file')
