"""gate.

Revision: 0015
Follows: 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('retirement',
    sa.Column('retirement_id', sa.String(length=40), nullable=False),
    sa.Column('request_id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('deployment', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('reason_code', sa.String(length=40), nullable=False),
    sa.Column('consumers', sa.Text(), nullable=False),
    sa.Column('quiet_days', sa.Integer(), nullable=False),
    sa.Column('ordered_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ordered_seq', sa.Integer(), nullable=False),
    sa.Column('off_since', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('looked_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('counted', sa.Integer(), nullable=True),
    sa.Column('counted_until', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('retired_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('seq', sa.Integer(), nullable=True),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('retirement_id', name=op.f('pk_retirement')),
    sa.UniqueConstraint('request_id', name=op.f('uq_retirement_request_id'))
    )
    with op.batch_alter_table('retirement', schema=None) as batch_op:
        batch_op.create_index('ix_retirement_model', ['model', 'ordered_seq'], unique=False)
        batch_op.create_index('ix_retirement_state', ['state'], unique=False)
    op.create_table('value_review',
    sa.Column('review_id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('period', sa.String(length=7), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('due', sa.Date(), nullable=False),
    sa.Column('owner_subject', sa.String(length=200), nullable=False),
    sa.Column('owner_name', sa.String(length=200), nullable=False),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('leaf_hash', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('review_id', name=op.f('pk_value_review')),
    sa.UniqueConstraint('model', 'period', name=op.f('uq_value_review_model_period'))
    )
    op.create_table('value_review_answer',
    sa.Column('review_id', sa.String(length=60), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('answer', sa.String(length=20), nullable=False),
    sa.Column('reason_code', sa.String(length=40), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('salt', sa.String(length=64), nullable=False),
    sa.Column('next_period', sa.String(length=7), nullable=False),
    sa.Column('request_id', sa.String(length=60), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('by_issuer', sa.String(length=300), nullable=False),
    sa.Column('by_subject', sa.String(length=200), nullable=False),
    sa.Column('by_name', sa.String(length=200), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('leaf_hash', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('review_id', 'number', name=op.f('pk_value_review_answer')),
    sa.UniqueConstraint('seq', name=op.f('uq_value_review_answer_seq'))
    )


def downgrade() -> None:
    op.drop_table('value_review_answer')
    op.drop_table('value_review')
    with op.batch_alter_table('retirement', schema=None) as batch_op:
        batch_op.drop_index('ix_retirement_state')
        batch_op.drop_index('ix_retirement_model')
    op.drop_table('retirement')
