"""Requests that a sample of rows stands for, where a platform writes a sample.

Revision: 0021
Follows: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ('request_slot', 'request_day'):
        op.add_column(table, sa.Column('estimated', sa.Integer(), nullable=True))


def downgrade() -> None:
    for table in ('request_slot', 'request_day'):
        op.drop_column(table, 'estimated')
