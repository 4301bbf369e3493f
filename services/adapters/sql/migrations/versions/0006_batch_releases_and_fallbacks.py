"""batch releases and fallbacks.

Revision: 0006
Follows: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('batch_output',
    sa.Column('run_id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('job', sa.String(length=250), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('window_start', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('started_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('finished_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('rows', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('first', sa.Boolean(), nullable=False),
    sa.Column('triggers', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('rerun_of', sa.String(length=60), nullable=True),
    sa.Column('decided_by', sa.String(length=200), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('salt', sa.String(length=64), nullable=False),
    sa.Column('output_sha256', sa.String(length=64), nullable=False),
    sa.Column('settled', sa.Boolean(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=True),
    sa.Column('incident', sa.String(length=60), nullable=False),
    sa.Column('updated_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('run_id', name=op.f('pk_batch_output'))
    )
    with op.batch_alter_table('batch_output', schema=None) as batch_op:
        batch_op.create_index('ix_batch_output_state', ['state'], unique=False)
        batch_op.create_index('ix_batch_output_window', ['model', 'window_start'], unique=False)

    op.create_table('fallback_card',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('edited_by', sa.String(length=200), nullable=False),
    sa.Column('edited_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'revision', name=op.f('pk_fallback_card'))
    )

    op.create_table('fallback_drill',
    sa.Column('drill_id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('card_revision', sa.Integer(), nullable=False),
    sa.Column('mode', sa.String(length=20), nullable=False),
    sa.Column('started_by', sa.String(length=200), nullable=False),
    sa.Column('started_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('steps', sa.Text(), nullable=False),
    sa.Column('finished_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('cancelled', sa.Boolean(), nullable=False),
    sa.Column('note', sa.Text(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('drill_id', name=op.f('pk_fallback_drill'))
    )
    with op.batch_alter_table('fallback_drill', schema=None) as batch_op:
        batch_op.create_index('ix_fallback_drill_model', ['model', 'started_at'], unique=False)

    op.create_table('fallback_switch',
    sa.Column('switch_id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('deployment', sa.String(length=200), nullable=False),
    sa.Column('mode', sa.String(length=20), nullable=False),
    sa.Column('platform_mode', sa.String(length=20), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('ordered_by', sa.String(length=200), nullable=False),
    sa.Column('ordered_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('salt', sa.String(length=64), nullable=False),
    sa.Column('detail', sa.Text(), nullable=False),
    sa.Column('done_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('incident', sa.String(length=60), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('seq_outcome', sa.Integer(), nullable=True),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('switch_id', name=op.f('pk_fallback_switch'))
    )
    with op.batch_alter_table('fallback_switch', schema=None) as batch_op:
        batch_op.create_index('ix_fallback_switch_model', ['model', 'ordered_at'], unique=False)


def downgrade() -> None:
    op.drop_table('fallback_switch')
    op.drop_table('fallback_drill')
    op.drop_table('fallback_card')
    op.drop_table('batch_output')
