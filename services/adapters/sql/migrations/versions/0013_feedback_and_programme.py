"""feedback and programme.

Revision: 0013
Follows: 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('programme_task',
    sa.Column('use_case', sa.String(length=200), nullable=False),
    sa.Column('task', sa.String(length=60), nullable=False),
    sa.Column('closed', sa.Boolean(), nullable=False),
    sa.Column('since', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('reopened', sa.Integer(), nullable=False),
    sa.Column('checked_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('use_case', 'task', name=op.f('pk_programme_task'))
    )
    op.create_table('retraining_round',
    sa.Column('id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('cause', sa.String(length=20), nullable=False),
    sa.Column('subject', sa.String(length=300), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('opened_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('due', sa.Date(), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('finished_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('evaluation', sa.String(length=60), nullable=False),
    sa.Column('draft_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('evidence', sa.String(length=64), nullable=False),
    sa.Column('blocked', sa.Text(), nullable=False),
    sa.Column('closed_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('closed_why', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_retraining_round')),
    sa.UniqueConstraint('model', 'cause', 'subject', name=op.f('uq_retraining_round_model_cause_subject'))
    )
    op.create_table('retraining_set',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.Column('lineage', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('salt', sa.String(length=64), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('by_issuer', sa.String(length=300), nullable=False),
    sa.Column('by_subject', sa.String(length=200), nullable=False),
    sa.Column('by_name', sa.String(length=200), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('leaf_hash', sa.String(length=64), nullable=False),
    sa.Column('run_id', sa.String(length=100), nullable=False),
    sa.Column('logged_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'number', name=op.f('pk_retraining_set')),
    sa.UniqueConstraint('seq', name=op.f('uq_retraining_set_seq'))
    )
    op.create_table('retraining_skip',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('month', sa.String(length=7), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('salt', sa.String(length=64), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('by_issuer', sa.String(length=300), nullable=False),
    sa.Column('by_subject', sa.String(length=200), nullable=False),
    sa.Column('by_name', sa.String(length=200), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'month', name=op.f('pk_retraining_skip'))
    )
    op.create_table('review_batch',
    sa.Column('id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('via', sa.String(length=10), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('corrected', sa.Integer(), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('by_issuer', sa.String(length=300), nullable=False),
    sa.Column('by_subject', sa.String(length=200), nullable=False),
    sa.Column('by_name', sa.String(length=200), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('leaf_hash', sa.String(length=64), nullable=False),
    sa.Column('published_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_review_batch')),
    sa.UniqueConstraint('seq', name=op.f('uq_review_batch_seq'))
    )
    op.create_index('ix_review_batch_model_at', 'review_batch', ['model', 'at'], unique=False)
    op.create_table('review_cohort',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('predicted_day', sa.Date(), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('slice_key', sa.String(length=250), nullable=False),
    sa.Column('reason_code', sa.String(length=60), nullable=False),
    sa.Column('reviewed', sa.Integer(), nullable=False),
    sa.Column('corrected', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'day', 'predicted_day', 'version', 'slice_key', 'reason_code', name=op.f('pk_review_cohort'))
    )
    op.create_index('ix_review_cohort_model_predicted_day', 'review_cohort', ['model', 'predicted_day'], unique=False)
    op.create_table('review_row',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('prediction_id', sa.String(length=200), nullable=False),
    sa.Column('batch_id', sa.String(length=60), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('predicted', sa.Float(precision=53), nullable=True),
    sa.Column('predicted_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('value', sa.Float(precision=53), nullable=True),
    sa.Column('corrected', sa.Boolean(), nullable=False),
    sa.Column('reason_code', sa.String(length=60), nullable=False),
    sa.Column('reviewer', sa.String(length=200), nullable=False),
    sa.Column('reviewed_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'prediction_id', name=op.f('pk_review_row'))
    )
    op.create_index(op.f('ix_review_row_batch_id'), 'review_row', ['batch_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_review_row_batch_id'), table_name='review_row')
    op.drop_table('review_row')
    op.drop_index('ix_review_cohort_model_predicted_day', table_name='review_cohort')
    op.drop_table('review_cohort')
    op.drop_index('ix_review_batch_model_at', table_name='review_batch')
    op.drop_table('review_batch')
    op.drop_table('retraining_skip')
    op.drop_table('retraining_set')
    op.drop_table('retraining_round')
    op.drop_table('programme_task')
