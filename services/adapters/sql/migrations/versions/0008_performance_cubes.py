"""performance cubes.

Revision: 0008
Follows: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('performance_arrival',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('slice_key', sa.String(length=300), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('first_day', sa.Date(), nullable=False),
    sa.Column('last_day', sa.Date(), nullable=False),
    sa.Column('cells', sa.LargeBinary(), nullable=False),
    sa.Column('days', sa.LargeBinary(), nullable=False),
    sa.Column('sums', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'slice_key', 'day', 'version', name=op.f('pk_performance_arrival'))
    )
    with op.batch_alter_table('performance_arrival', schema=None) as batch_op:
        batch_op.create_index('ix_performance_arrival_model_last_day', ['model', 'last_day'], unique=False)

    op.create_table('performance_definition',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('definition', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('model', name=op.f('pk_performance_definition'))
    )
    op.create_table('performance_score',
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('slice_key', sa.String(length=300), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('predicted', sa.Integer(), nullable=False),
    sa.Column('unscored', sa.Integer(), nullable=False),
    sa.Column('cells', sa.LargeBinary(), nullable=False),
    sa.Column('sums', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('model', 'slice_key', 'day', 'version', name=op.f('pk_performance_score'))
    )


def downgrade() -> None:
    op.drop_table('performance_score')
    op.drop_table('performance_definition')
    with op.batch_alter_table('performance_arrival', schema=None) as batch_op:
        batch_op.drop_index('ix_performance_arrival_model_last_day')

    op.drop_table('performance_arrival')
