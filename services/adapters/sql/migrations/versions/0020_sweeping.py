"""What the copy of a large registry remembers about each model.

Revision: 0020
Follows: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('registry_model',
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('mark', sa.String(length=80), nullable=False),
    sa.Column('read_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('gone_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_registry_model'))
    )
    op.create_index('ix_registry_model_read_at', 'registry_model', ['read_at'])


def downgrade() -> None:
    op.drop_index('ix_registry_model_read_at', table_name='registry_model')
    op.drop_table('registry_model')
