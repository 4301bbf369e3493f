"""releases.

Revision: 0004
Follows: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.adapters.sql.schema import base


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None


_MOVING = "state in ('planned', 'shadow', 'canary', 'paused')"


def upgrade() -> None:
    op.create_table('release',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('release_id', sa.String(length=60), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('deployment', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('request_id', sa.String(length=60), nullable=False),
    sa.Column('candidate', sa.String(length=40), nullable=False),
    sa.Column('candidate_sha256', sa.String(length=64), nullable=False),
    sa.Column('base', sa.String(length=40), nullable=True),
    sa.Column('base_sha256', sa.String(length=64), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('share', sa.Integer(), nullable=False),
    sa.Column('plan', sa.Text(), nullable=False),
    sa.Column('shadow', sa.Text(), nullable=False),
    sa.Column('stage_since', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('created_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('resumes_to', sa.String(length=20), nullable=True),
    sa.Column('shadow_since', base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('shadow_closed_seq', sa.Integer(), nullable=True),
    sa.Column('shadow_closed_leaf', sa.String(length=64), nullable=False),
    sa.Column('hold', sa.String(length=20), nullable=True),
    sa.Column('hold_reason', sa.Text(), nullable=False),
    sa.Column('accepted', sa.Text(), nullable=False),
    sa.Column('latched', sa.Boolean(), nullable=False),
    sa.Column('analysis', sa.Text(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_release')),
    sa.UniqueConstraint('release_id', name='uq_release_release_id')
    )
    op.create_index('ix_release_model', 'release', ['model', 'id'])
    op.create_index('uq_release_request', 'release', ['request_id'], unique=True)
    op.create_index('uq_release_moving', 'release', ['model'], unique=True, sqlite_where=sa.text(_MOVING), postgresql_where=sa.text(_MOVING))

    op.create_table('release_event',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('release_id', sa.String(length=60), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=20), nullable=False),
    sa.Column('sentence', sa.Text(), nullable=False),
    sa.Column('actor', sa.String(length=200), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['release_id'], ['release.release_id'], name='fk_release_event_release'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_release_event'))
    )
    op.create_index('ix_release_event_release', 'release_event', ['release_id', 'id'])

    op.create_table('release_look',
    sa.Column('id', sa.Integer(), autoincrement=True, nullable=False),
    sa.Column('release_id', sa.String(length=60), nullable=False),
    sa.Column('at', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('stage_since', base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('verdict', sa.String(length=20), nullable=False),
    sa.Column('kept', sa.Boolean(), nullable=False),
    sa.Column('document', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['release_id'], ['release.release_id'], name='fk_release_look_release'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_release_look'))
    )
    op.create_index('ix_release_look_release', 'release_look', ['release_id', 'id'])


def downgrade() -> None:
    op.drop_table('release_look')
    op.drop_table('release_event')
    op.drop_table('release')
