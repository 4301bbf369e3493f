"""data health and promises.

Revision: 0009
Follows: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('request_count',
    sa.Column('deployment', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('start', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('requests', sa.Integer(), nullable=False),
    sa.Column('errors', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('deployment', 'day', 'start', name=op.f('pk_request_count'))
    )
    with op.batch_alter_table('request_count', schema=None) as batch_op:
        batch_op.create_index('ix_request_count_deployment_start', ['deployment', 'start'], unique=False)

    op.create_table('request_day',
    sa.Column('deployment', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('start', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('version', sa.String(length=40), nullable=False),
    sa.Column('requests', sa.Integer(), nullable=False),
    sa.Column('errors', sa.Integer(), nullable=False),
    sa.Column('injected', sa.Integer(), nullable=False),
    sa.Column('buckets', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('deployment', 'day', 'start', 'version', name=op.f('pk_request_day'))
    )
    with op.batch_alter_table('request_day', schema=None) as batch_op:
        batch_op.create_index('ix_request_day_start', ['start'], unique=False)

    op.create_table('table_rules',
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.Column('changed_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('name', 'revision', name=op.f('pk_table_rules'))
    )

    op.create_table('table_day',
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('fingerprint', sa.String(length=300), nullable=False),
    sa.Column('facts', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('name', 'day', name=op.f('pk_table_day'))
    )

    op.create_table('table_result',
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('rows', sa.Integer(), nullable=True),
    sa.Column('results', sa.Text(), nullable=False),
    sa.Column('judged_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', 'day', name=op.f('pk_table_result'))
    )

    op.create_table('table_check',
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('problem', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_table_check'))
    )

    op.create_table('pipeline_run',
    sa.Column('source', sa.String(length=60), nullable=False),
    sa.Column('pipeline', sa.String(length=300), nullable=False),
    sa.Column('run_id', sa.String(length=200), nullable=False),
    sa.Column('title', sa.String(length=300), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('started_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('finished_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ok', sa.Boolean(), nullable=False),
    sa.Column('on_time', sa.Boolean(), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('writes', sa.Text(), nullable=False),
    sa.Column('models', sa.Text(), nullable=False),
    sa.Column('copied_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('source', 'pipeline', 'run_id', name=op.f('pk_pipeline_run'))
    )
    with op.batch_alter_table('pipeline_run', schema=None) as batch_op:
        batch_op.create_index('ix_pipeline_run_started_at', ['started_at'], unique=False)

    # Days and five-minute counters are made from the recorded requests: all of them are read once more.
    op.execute("DELETE FROM facts_seen WHERE consumer = 'reliability'")


def downgrade() -> None:
    for name in (
        'pipeline_run', 'table_check', 'table_result', 'table_day', 'table_rules', 'request_day', 'request_count'
    ):
        op.drop_table(name)
