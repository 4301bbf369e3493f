"""Figures of the platform's own monitoring.

Revision: 0018
Follows: 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('vendor_reading',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('read_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('model', name=op.f('pk_vendor_reading'))
    )


def downgrade() -> None:
    op.drop_table('vendor_reading')
