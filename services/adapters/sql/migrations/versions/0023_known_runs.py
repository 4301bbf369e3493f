"""Copied runs of pipelines: how far the records they came from reach, and which were skipped or cancelled.

Revision: 0023
Follows: 0022
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('pipeline_run', sa.Column('aside', sa.Boolean(), nullable=True))
    op.add_column('pipeline_run', sa.Column('known_to', base.UtcDateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column('pipeline_run', 'known_to')
    op.drop_column('pipeline_run', 'aside')
