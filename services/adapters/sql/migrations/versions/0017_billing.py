"""billing.

Revision: 0017
Follows: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_USAGE = ('usage_day', 'usage_superseded')


def upgrade() -> None:
    op.create_table('mirror_usage',
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('record_type', sa.Text(), nullable=False),
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('sku', sa.Text(), nullable=False),
    sa.Column('cloud', sa.Text(), nullable=False),
    sa.Column('unit', sa.Text(), nullable=False),
    sa.Column('quantity', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('started_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('ended_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('ingested', sa.Date(), nullable=True),
    sa.Column('product', sa.Text(), nullable=False),
    sa.Column('endpoint', sa.Text(), nullable=False),
    sa.Column('job_id', sa.Text(), nullable=False),
    sa.Column('job_run_id', sa.Text(), nullable=False),
    sa.Column('serving_type', sa.Text(), nullable=False),
    sa.Column('tags', sa.Text(), nullable=False),
    sa.Column('gone', sa.Boolean(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('copied_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', 'revision', name=op.f('pk_mirror_usage'))
    )
    op.create_index('ix_mirror_usage_day', 'mirror_usage', ['day'], unique=False)
    op.create_table('mirror_price',
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('sku', sa.Text(), nullable=False),
    sa.Column('cloud', sa.Text(), nullable=False),
    sa.Column('unit', sa.Text(), nullable=False),
    sa.Column('currency', sa.Text(), nullable=False),
    sa.Column('starts_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('ends_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('price', sa.Text(), nullable=False),
    sa.Column('gone', sa.Boolean(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('copied_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', 'revision', name=op.f('pk_mirror_price'))
    )
    op.create_table('mirror_served_entity',
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('served_entity_id', sa.Text(), nullable=False),
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('endpoint', sa.Text(), nullable=False),
    sa.Column('entity_type', sa.Text(), nullable=False),
    sa.Column('entity', sa.Text(), nullable=False),
    sa.Column('version', sa.Text(), nullable=False),
    sa.Column('config_version', sa.Integer(), nullable=True),
    sa.Column('changed_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('deleted_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('gone', sa.Boolean(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('copied_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', 'revision', name=op.f('pk_mirror_served_entity'))
    )
    op.create_table('mirror_endpoint_usage',
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('served_entity_id', sa.Text(), nullable=False),
    sa.Column('requests', sa.BigInteger(), nullable=False),
    sa.Column('failed', sa.BigInteger(), nullable=False),
    sa.Column('input_tokens', sa.BigInteger(), nullable=False),
    sa.Column('output_tokens', sa.BigInteger(), nullable=False),
    sa.Column('gone', sa.Boolean(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('copied_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', 'revision', name=op.f('pk_mirror_endpoint_usage'))
    )
    op.create_index('ix_mirror_endpoint_usage_day', 'mirror_endpoint_usage', ['day'], unique=False)
    op.create_table('mirror_table_lineage',
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('entity_type', sa.Text(), nullable=False),
    sa.Column('job_id', sa.Text(), nullable=False),
    sa.Column('pipeline_id', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('target', sa.Text(), nullable=False),
    sa.Column('gone', sa.Boolean(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('copied_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', 'revision', name=op.f('pk_mirror_table_lineage'))
    )
    op.create_table('mirror_column_lineage',
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('source_column', sa.Text(), nullable=False),
    sa.Column('target', sa.Text(), nullable=False),
    sa.Column('target_column', sa.Text(), nullable=False),
    sa.Column('gone', sa.Boolean(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('copied_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', 'revision', name=op.f('pk_mirror_column_lineage'))
    )
    op.create_table('mirror_column_tag',
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('table_name', sa.Text(), nullable=False),
    sa.Column('column_name', sa.Text(), nullable=False),
    sa.Column('tag_name', sa.Text(), nullable=False),
    sa.Column('tag_value', sa.Text(), nullable=False),
    sa.Column('gone', sa.Boolean(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('copied_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', 'revision', name=op.f('pk_mirror_column_tag'))
    )
    op.create_table('mirror_audit',
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('workspace_id', sa.Text(), nullable=False),
    sa.Column('service', sa.Text(), nullable=False),
    sa.Column('action', sa.Text(), nullable=False),
    sa.Column('actor', sa.Text(), nullable=False),
    sa.Column('run_by', sa.Text(), nullable=False),
    sa.Column('run_as', sa.Text(), nullable=False),
    sa.Column('acting_resource', sa.Text(), nullable=False),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.Column('parameters', sa.Text(), nullable=False),
    sa.Column('gone', sa.Boolean(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('copied_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('key', 'revision', name=op.f('pk_mirror_audit'))
    )
    op.create_table('mirror_state',
    sa.Column('source', sa.String(length=40), nullable=False),
    sa.Column('scope', sa.Text(), nullable=False),
    sa.Column('since', sa.Date(), nullable=True),
    sa.Column('through', sa.Date(), nullable=True),
    sa.Column('newest', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('copied_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('attempted_at', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('error', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('source', name=op.f('pk_mirror_state'))
    )
    op.create_table('mirror_gap',
    sa.Column('source', sa.String(length=40), nullable=False),
    sa.Column('first', sa.Date(), nullable=False),
    sa.Column('last', sa.Date(), nullable=False),
    sa.Column('found_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('source', 'first', name=op.f('pk_mirror_gap'))
    )
    for table in _USAGE:
        op.add_column(table, sa.Column('billed', base.Money(), nullable=True))
        op.add_column(table, sa.Column('unpriced', sa.Text(), nullable=False, server_default=''))


def downgrade() -> None:
    # What was billed cannot be told as CPU seconds: without the column it would be a cost of nothing.
    op.execute(sa.text("DELETE FROM usage_day WHERE billed IS NOT NULL"))
    op.execute(sa.text("DELETE FROM usage_superseded WHERE billed IS NOT NULL"))
    op.execute(sa.text("DELETE FROM facts_seen WHERE source = 'billing'"))
    for table in _USAGE:
        op.drop_column(table, 'unpriced')
        op.drop_column(table, 'billed')
    op.drop_table('mirror_gap')
    op.drop_table('mirror_state')
    op.drop_table('mirror_audit')
    op.drop_table('mirror_column_tag')
    op.drop_table('mirror_column_lineage')
    op.drop_table('mirror_table_lineage')
    op.drop_table('mirror_endpoint_usage')
    op.drop_table('mirror_served_entity')
    op.drop_table('mirror_price')
    op.drop_table('mirror_usage')
